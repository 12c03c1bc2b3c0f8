// SPDX-License-Identifier: Apache-2.0
// BERT (Devlin et al., arXiv 1810.04805) as its published checkpoints have it: config.json and tensors with the names of Hugging Face's
// files ("encoder.layer.0.attention.self.query.weight"), with or without "bert." before them.
#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <string_view>

#include "tenfold/nn/transformer.h"

namespace tenfold::nn {

// Post-norm, the shape and activation that config.json says. Fields that are not about the encoder are ignored. Throws Error(kFile): what
// io::parse_json() throws, "bert.config" (a field is missing or of another kind; with its name), "bert.unsupported" (another model_type,
// activation or position_embedding_type, or a decoder).
TransformerOptions parse_bert_config(std::string_view json, std::string_view place);

// Copies the tensors of a checkpoint, of any floating type, into the encoder. The pooler and heads ("cls.") are left out, and so is what
// begins with another name than "embeddings." and "encoder.". Throws Error(kFile) before it changes anything: "bert.missing_tensor",
// "bert.shape", "bert.dtype", "bert.unknown_tensor" (more layers than config.json says, for example); `place` begins the messages.
void load_bert(TransformerEncoderImpl& encoder,
               const std::map<std::string, torch::Tensor>& checkpoint,
               std::string_view place);

// The name of one of the encoder's own tensors in such a checkpoint: "layers.0.inner.weight" -> "encoder.layer.0.intermediate.dense.weight".
// For writers of checkpoints. Throws Error(kInternal) for a name that the encoder does not have.
std::string bert_name(const std::string& own_name);

}  // namespace tenfold::nn

// SPDX-License-Identifier: Apache-2.0
// T5 as its published checkpoints have it (versions 1.0 and 1.1, also mT5): config.json and tensors with the names of Hugging Face's files
// ("encoder.block.0.layer.0.SelfAttention.q.weight").
#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <string_view>

#include "tenfold/base/file_system.h"
#include "tenfold/io/safetensors.h"
#include "tenfold/nn/t5.h"

namespace tenfold::nn {

// Fields that are not about the network are ignored. Throws Error(kFile): what io::parse_json() throws, "t5.config" (a field is missing or of
// another kind; with its name), "t5.unsupported" (another model_type or feed_forward_proj, an encoder alone, buckets that do not go).
T5Options parse_t5_config(std::string_view json, std::string_view place);

// Copies the tensors of a file, of any floating type, into the model. Names, types and shapes of all are checked before the first is read, so
// that nothing is changed unless the file fits. Where the head is tied, a stored head is not read. Throws Error(kFile): what the reader throws,
// "t5.missing_tensor", "t5.shape", "t5.dtype", "t5.unknown_tensor" (more layers than config.json says, for example); `place` begins the
// messages.
void load_t5(T5Impl& model, const io::SafetensorsReader& tensors, std::string_view place);

// config.json and model.safetensors of a folder. Throws Error(kFile): "file.not_found", "t5.shape" (config.json describes a larger model than the
// file holds; before memory is asked for) and the above.
T5 read_t5(const Path& folder);

// The name in such a checkpoint of one of the tensors of a T5, or of a T5Stack registered as "encoder" or "decoder":
// "decoder.layers.1.cross_attention.query.weight" -> "decoder.block.1.layer.1.EncDecAttention.q.weight". Throws Error(kInternal) for a name that
// a T5 does not have.
std::string t5_name(const std::string& own_name);

// All tensors of the model by those names; they share its memory. And config.json to go with them.
std::map<std::string, torch::Tensor> t5_tensors(const T5Impl& model);
std::string t5_config_json(const T5Options& options);

}  // namespace tenfold::nn

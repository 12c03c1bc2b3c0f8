// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  bool finished = false;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  check_internal(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
                 "SHA-256 cannot be initialised");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  check_internal(!state_->finished, "SHA-256 is already finished");
  check_internal(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "SHA-256 update failed");
}

void Sha256::update(std::string_view text) {
  update(std::as_bytes(std::span(text.data(), text.size())));
}

std::string Sha256::hex_digest() {
  std::array<unsigned char, 32> digest{};
  check_internal(!std::exchange(state_->finished, true), "SHA-256 is already finished");
  check_internal(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1,
                 "SHA-256 cannot be finished");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.hex_digest();
}

}  // namespace tenfold

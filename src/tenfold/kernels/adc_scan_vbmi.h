// SPDX-License-Identifier: Apache-2.0
// The 8-bit scan of kernels/adc_scan.h for processors with AVX-512 VBMI: tables of 256 bytes stay in registers. Highway 1.0.3 has no
// operation for its permutes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenfold::kernels::adc_detail {

// Asks the processor once. False on others than x86-64.
bool has_vbmi();
// has_vbmi() is false while `hidden`, so that a test reaches what processors without it run. Not beside a scan.
void hide_vbmi(bool hidden);

// As adc_scan8(); what lies `ahead` bytes behind each code is fetched into the cache.
void scan8_vbmi(const std::uint8_t* blocks,
                std::size_t block_count,
                std::size_t codes,
                const std::uint8_t* tables,
                std::uint16_t* sums,
                std::ptrdiff_t ahead);

}  // namespace tenfold::kernels::adc_detail

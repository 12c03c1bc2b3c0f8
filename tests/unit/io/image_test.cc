// SPDX-License-Identifier: Apache-2.0
// PNG and JPEG: known pixels of every colour type, orientation, limits before decoding, and damaged or lying files.
#include "tenfold/io/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tenfold/base/random.h"
#include "tests/unit/io/picture_bytes.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;

Image decode(std::string_view file, const ImageOptions& options = {}) {
  return decode_image(bytes_of(file), options);
}

std::string refusal(std::string_view file, const ImageOptions& options = {}) {
  return error_of([&] { decode(file, options); });
}

// A smooth picture with some texture: what JPEG is made for.
Image sample_picture(std::uint32_t width, std::uint32_t height, std::uint32_t channels) {
  Image image{.width = width, .height = height, .channels = channels, .pixels = {}};
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      for (std::uint32_t c = 0; c < channels; ++c) {
        image.pixels.push_back(static_cast<std::uint8_t>((3 * x + (c + 2) * y + 40 * c) % 200 + 20));
      }
    }
  }
  return image;
}

TEST(Png, DecodesGray) {
  const Image image = decode(png_file({.width = 3, .height = 2}, "\0\x01\x02\x03\0\xFD\xFE\xFF"s));
  EXPECT_EQ(image.width, 3u);
  EXPECT_EQ(image.height, 2u);
  EXPECT_EQ(image.channels, 1u);
  EXPECT_THAT(image.pixels, ElementsAre(1, 2, 3, 253, 254, 255));
}

TEST(Png, DecodesRgbAndConvertsByBt601) {
  const std::string file = png_file({.width = 2, .height = 1, .color_type = 2}, "\0\xFF\0\0\x0A\x14\x1E"s);
  EXPECT_THAT(decode(file).pixels, ElementsAre(255, 0, 0, 10, 20, 30));
  // 0.299 * 255 = 76.2; 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.2
  EXPECT_THAT(decode(file, {.color = ColorMode::kGray}).pixels, ElementsAre(76, 18));
}

TEST(Png, PutsTransparentPixelsOnTheBackground) {
  const std::string file =
      png_file({.width = 2, .height = 1, .color_type = 6}, "\0\x0A\x14\x1E\0\x0A\x14\x1E\x80"s);
  // alpha 128/255: 10 * 0.502 + 255 * 0.498 = 132.0, 20 -> 137.0, 30 -> 142.1
  EXPECT_THAT(decode(file).pixels, ElementsAre(255, 255, 255, 132, 137, 142));
  EXPECT_THAT(decode(file, {.background = {0, 0, 0}}).pixels, ElementsAre(0, 0, 0, 5, 10, 15));
  const std::string gray = png_file({.width = 2, .height = 1, .color_type = 4}, "\0\x32\xFF\x32\0"s);
  EXPECT_THAT(decode(gray).pixels, ElementsAre(50, 255));
  EXPECT_THAT(decode(gray, {.color = ColorMode::kRgb}).pixels, ElementsAre(50, 50, 50, 255, 255, 255));
}

TEST(Png, DecodesPalettesLowDepthsAndSixteenBits) {
  const std::string palette = png_chunk("PLTE", "\x01\x02\x03\xC8\xC9\xCA"s);
  EXPECT_THAT(
      decode(png_file({.width = 3, .height = 1, .bits = 1, .color_type = 3}, "\0\xA0"s, palette)).pixels,
      ElementsAre(200, 201, 202, 1, 2, 3, 200, 201, 202));
  EXPECT_THAT(decode(png_file({.width = 4, .height = 1, .bits = 2}, "\0\x1B"s)).pixels,
              ElementsAre(0, 85, 170, 255));
  EXPECT_THAT(decode(png_file({.width = 2, .height = 1, .bits = 16}, "\0\x80\0\xFF\xFF"s)).pixels,
              ElementsAre(128, 255));
}

TEST(Png, DecodesInterlacedRows) {
  // Adam7 of 2 x 2: pass 1 has pixel (0,0), pass 6 (0,1), pass 7 the second row.
  const Image image = decode(png_file({.width = 2, .height = 2, .interlace = 1}, "\0\x0A\0\x14\0\x1E\x28"s));
  EXPECT_THAT(image.pixels, ElementsAre(10, 20, 30, 40));
}

TEST(Png, GivesBackWhatItWrote) {
  random::Generator generator(5, 5);
  for (const std::uint32_t channels : {1u, 3u}) {
    for (int trial = 0; trial < 20; ++trial) {
      Image image{.width = 1 + generator.below(40),
                  .height = 1 + generator.below(40),
                  .channels = channels,
                  .pixels = {}};
      image.pixels.resize(std::size_t{image.width} * image.height * channels);
      for (std::uint8_t& sample : image.pixels) sample = static_cast<std::uint8_t>(generator.below(256));
      const Image read = decode_image(encode_png(image, {.png_compression = trial % 10}));
      EXPECT_EQ(read.width, image.width);
      EXPECT_EQ(read.channels, channels);
      EXPECT_EQ(read.pixels, image.pixels);
    }
  }
}

TEST(Png, ReportsTheHeader) {
  const ImageInfo info =
      image_info(bytes_of(png_file({.width = 7, .height = 5, .bits = 16, .color_type = 6}, "")));
  EXPECT_EQ(info.format, ImageFormat::kPng);
  EXPECT_EQ(info.width, 7u);
  EXPECT_EQ(info.height, 5u);
  EXPECT_EQ(info.channels, 4u);
  EXPECT_EQ(info.bits, 16u);
}

TEST(Png, RefusesTooManyPixelsBeforeDecoding) {
  const std::string bomb = png_file({.width = 60'000, .height = 60'000}, "");
  EXPECT_EQ(refusal(bomb), "resource image.too_many_pixels");
  EXPECT_THAT(message_of([&] { decode(bomb); }), HasSubstr("60000 x 60000"));
  EXPECT_EQ(refusal(png_file({.width = 0x7FFFFFFF, .height = 0x7FFFFFFF, .bits = 16, .color_type = 6}, "")),
            "resource image.too_many_pixels");
  const std::string four = png_file({.width = 2, .height = 2}, "\0\0\0\0\0\0"s);
  EXPECT_EQ(refusal(four, {.max_pixels = 4}), "no error");
  EXPECT_EQ(refusal(four, {.max_pixels = 3}), "resource image.too_many_pixels");
}

TEST(Png, RefusesSizesTheFileCannotHold) {
  EXPECT_EQ(refusal(png_file({.width = 8000, .height = 8000, .color_type = 2}, "")),
            "file image.lying_header");
  EXPECT_EQ(refusal(png_file({.width = 1, .height = 60'000'000, .bits = 1}, "")), "file image.lying_header");
  // A picture of one colour is as small as deflate can make it, and must pass.
  const Image blank{
      .width = 4000, .height = 4000, .channels = 1, .pixels = std::vector<std::uint8_t>(16'000'000, 9)};
  EXPECT_EQ(decode_image(encode_png(blank, {.png_compression = 9})).pixels, blank.pixels);
}

TEST(Png, RefusesHeadersOutsideTheFormat) {
  EXPECT_EQ(refusal(png_file({.width = 0}, "")), "file image.corrupt");
  EXPECT_EQ(refusal(png_file({.height = 0x80000000}, "")), "file image.corrupt");
  EXPECT_EQ(refusal(png_file({.bits = 0}, "\0\0"s)), "file image.corrupt");
  EXPECT_EQ(refusal(png_file({.bits = 3}, "\0\0"s)), "file image.corrupt");
  EXPECT_EQ(refusal(png_file({.bits = 32}, "\0\0"s)), "file image.corrupt");
  EXPECT_EQ(refusal(png_file({.color_type = 1}, "\0\0"s)), "file image.corrupt");
  EXPECT_EQ(refusal(png_file({.bits = 4, .color_type = 2}, "\0\0\0\0"s)), "file image.corrupt");
  EXPECT_EQ(refusal(png_file({.interlace = 2}, "\0\0"s)), "file image.corrupt");
  EXPECT_EQ(refusal(png_file({.color_type = 3}, "\0\0"s)), "file image.corrupt") << "no palette";
  EXPECT_EQ(refusal(png_signature() + png_chunk("IDAT", std::string(30, 'x'))), "file image.corrupt");
}

TEST(Png, RefusesDataThatIsTooShortOrNotDeflate) {
  EXPECT_EQ(refusal(png_file({.width = 4, .height = 4}, "\0\0\0\0\0"s)), "file image.corrupt");
  const std::string head = png_signature() + png_header_chunk({.width = 4, .height = 4});
  EXPECT_EQ(refusal(head + png_chunk("IDAT", "no deflate stream") + png_chunk("IEND", "")),
            "file image.corrupt");
  EXPECT_EQ(refusal(head + png_chunk("IEND", "")), "file image.corrupt");
  EXPECT_EQ(refusal(head + "\x7F\xFF\xFF\xFFIDATxxxxxxxx"), "file image.truncated");
}

TEST(Png, SkipsTextAndProfilesUnread) {
  // A compressed text of 16 MB in 16 KB, once as zTXt and once as iCCP: skipped, not inflated.
  const std::string zeros(std::size_t{16} << 20, '\0');
  uLongf size = compressBound(static_cast<uLong>(zeros.size()));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()),
           &size,
           reinterpret_cast<const Bytef*>(zeros.data()),
           zeros.size());
  packed.resize(size);
  const std::string extra = png_chunk("zTXt", "Comment\0\0"s + packed) + png_chunk("iCCP", "p\0\0"s + packed);
  EXPECT_THAT(decode(png_file({}, "\0\x07"s, extra)).pixels, ElementsAre(7));
}

TEST(Png, RefusesEveryTruncationAndEveryFlippedBit) {
  const std::string file = text_of(encode_png(sample_picture(13, 7, 3)));
  for (std::size_t length = 0; length < file.size(); ++length) {
    const std::string error = refusal(std::string_view(file).substr(0, length));
    EXPECT_EQ(error, length < 8 ? "data image.unknown_format" : "file image.truncated") << length;
  }
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const std::string error = refusal(damaged);
    EXPECT_NE(error, "no error") << "bit " << bit;
    EXPECT_EQ(error.find("internal"), std::string::npos) << "bit " << bit;
  }
}

// Largest and mean absolute difference of two pictures of one size.
void expect_close(const Image& a, const Image& b, int largest, double mean) {
  ASSERT_EQ(a.pixels.size(), b.pixels.size());
  double sum = 0.0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const int difference = std::abs(int{a.pixels[i]} - int{b.pixels[i]});
    EXPECT_LE(difference, largest) << i;
    sum += difference;
  }
  EXPECT_LE(sum / static_cast<double>(a.pixels.size()), mean);
}

// 16 x 16 pixels of one colour in each quarter: whole JPEG blocks.
Image quarters(const std::array<std::array<std::uint8_t, 3>, 4>& colors) {
  Image image{.width = 32, .height = 32, .channels = 3, .pixels = {}};
  for (std::size_t y = 0; y < 32; ++y) {
    for (std::size_t x = 0; x < 32; ++x) {
      const auto& color = colors[(y / 16) * 2 + x / 16];
      image.pixels.insert(image.pixels.end(), color.begin(), color.end());
    }
  }
  return image;
}

std::string with_exif(std::string_view jpeg, const std::string& segment) {
  return std::string(jpeg.substr(0, 2)) + segment + std::string(jpeg.substr(2));
}

TEST(Jpeg, ComesBackCloseToWhatItWrote) {
  const Image rgb = sample_picture(37, 23, 3);
  expect_close(decode_image(encode_jpeg(rgb, {.jpeg_quality = 100, .jpeg_full_chroma = true})), rgb, 4, 0.8);
  const Image gray = sample_picture(37, 23, 1);
  const std::vector<std::byte> file = encode_jpeg(gray, {.jpeg_quality = 100});
  EXPECT_EQ(decode_image(file).channels, 1u);
  expect_close(decode_image(file), gray, 2, 0.5);
}

TEST(Jpeg, ConvertsBetweenGrayAndColor) {
  const Image colors = quarters({{{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}}});
  const Image gray = decode_image(encode_jpeg(colors, {.jpeg_quality = 100}), {.color = ColorMode::kGray});
  EXPECT_EQ(gray.channels, 1u);
  // BT.601: 0.299, 0.587 and 0.114 of 255.
  EXPECT_NEAR(gray.pixels[8 * 32 + 8], 76, 2);
  EXPECT_NEAR(gray.pixels[8 * 32 + 24], 150, 2);
  EXPECT_NEAR(gray.pixels[24 * 32 + 8], 29, 2);
  EXPECT_NEAR(gray.pixels[24 * 32 + 24], 255, 2);
  const Image rgb = decode_image(encode_jpeg(sample_picture(8, 8, 1)), {.color = ColorMode::kRgb});
  EXPECT_EQ(rgb.channels, 3u);
  EXPECT_EQ(rgb.pixels[0], rgb.pixels[1]);
  EXPECT_EQ(rgb.pixels[0], rgb.pixels[2]);
}

TEST(Jpeg, AppliesTheExifOrientation) {
  const std::array<std::uint8_t, 3> r = {220, 30, 30}, g = {30, 200, 30}, b = {40, 40, 220},
                                    w = {230, 230, 230};
  const std::string stored =
      text_of(encode_jpeg(quarters({r, g, b, w}), {.jpeg_quality = 100, .jpeg_full_chroma = true}));
  // What a viewer shows, by the definition of the tag: which corner of the picture the first row and column are.
  const std::array<Image, 8> shown = {quarters({r, g, b, w}),
                                      quarters({g, r, w, b}),
                                      quarters({w, b, g, r}),
                                      quarters({b, w, r, g}),
                                      quarters({r, b, g, w}),
                                      quarters({b, r, w, g}),
                                      quarters({w, g, b, r}),
                                      quarters({g, w, r, b})};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string file =
        with_exif(stored, exif_segment(static_cast<char>(orientation), orientation % 2 == 0));
    SCOPED_TRACE(orientation);
    EXPECT_EQ(image_info(bytes_of(file)).orientation, orientation);
    expect_close(decode(file), shown[static_cast<std::size_t>(orientation - 1)], 6, 2.0);
    expect_close(decode(file, {.apply_orientation = false}), shown[0], 6, 2.0);
  }
}

TEST(Jpeg, TurnsTheSizesWithTheOrientation) {
  const std::string file = with_exif(text_of(encode_jpeg(sample_picture(40, 24, 3))), exif_segment(6, true));
  EXPECT_EQ(image_info(bytes_of(file)).width, 24u);
  EXPECT_EQ(image_info(bytes_of(file)).height, 40u);
  const Image image = decode(file);
  EXPECT_EQ(image.width, 24u);
  EXPECT_EQ(image.height, 40u);
}

TEST(Jpeg, TakesDamagedExifAsUpright) {
  const std::string stored = text_of(encode_jpeg(sample_picture(8, 8, 1)));
  const std::string good = exif_segment(6, true);
  for (const std::string& segment :
       {exif_segment(0, true),
        exif_segment(9, false),
        jpeg_segment('\xE1', "Exif\0\0"s),
        jpeg_segment('\xE1', "Exif\0\0II*\0\xFF\xFF\xFF\xFF"s),            // directory far outside
        jpeg_segment('\xE1', "Exif\0\0II*\0\x08\0\0\0\xFF\xFF\x12\x01"s),  // 65535 entries, none whole
        jpeg_segment('\xE1', "Exif\0\0IM*\0\x08\0\0\0\x01\0"s),            // mixed byte orders
        jpeg_segment('\xE1', "Exif\0\0II+\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"s),
        jpeg_segment('\xE1', "http://ns.adobe.com/xap/1.0/\0x"s)}) {
    const std::string file = with_exif(stored, segment);
    EXPECT_EQ(image_info(bytes_of(file)).orientation, 1);
    EXPECT_EQ(refusal(file), "no error");
  }
  EXPECT_EQ(image_info(bytes_of(with_exif(stored, good))).orientation, 6);
}

// Offset of the frame header's marker.
std::size_t frame_header(const std::string& jpeg) {
  return jpeg.find("\xFF\xC0"s);
}

TEST(Jpeg, RefusesTooManyPixelsAndSizesTheFileCannotHold) {
  std::string file = text_of(encode_jpeg(sample_picture(16, 16, 3)));
  const std::size_t sizes = frame_header(file) + 5;
  file.replace(sizes, 4, "\xFF\xDC\xFF\xDC"s);
  EXPECT_EQ(refusal(file), "resource image.too_many_pixels");
  file.replace(sizes, 4, "\x1F\x40\x1F\x40"s);  // 8000 x 8000
  EXPECT_EQ(refusal(file), "file image.lying_header");
  file.replace(sizes, 4, "\x01\x00\x01\x00"s);  // 256 x 256: plausible, but the data ends early
  EXPECT_EQ(refusal(file), "file image.corrupt");
  file.replace(sizes, 4, "\x00\x00\x00\x10"s);
  EXPECT_EQ(refusal(file), "file image.corrupt");
}

TEST(Jpeg, RefusesProcessesItDoesNotRead) {
  const std::string file = text_of(encode_jpeg(sample_picture(16, 16, 3)));
  const std::size_t frame = frame_header(file);
  for (const char marker : {'\xC3', '\xC5', '\xC9', '\xCA'}) {
    std::string other = file;
    other[frame + 1] = marker;
    EXPECT_EQ(refusal(other), "data image.unsupported");
  }
  std::string twelve_bits = file;
  twelve_bits[frame + 4] = 12;
  EXPECT_EQ(refusal(twelve_bits), "data image.unsupported");
  std::string four_channels = file;
  four_channels[frame + 9] = 4;
  EXPECT_EQ(refusal(four_channels), "data image.unsupported");
}

TEST(Jpeg, RefusesBrokenSegments) {
  EXPECT_EQ(refusal("\xFF\xD8\xFF"s), "file image.truncated");
  EXPECT_EQ(refusal("\xFF\xD8\xFF\xE0\0\x01"s), "file image.corrupt");
  EXPECT_EQ(refusal("\xFF\xD8\xFF\xE0\xFF\xFFx"s), "file image.truncated");
  EXPECT_EQ(refusal("\xFF\xD8\xFF\xD9\0\0"s), "file image.corrupt");
  EXPECT_EQ(refusal("\xFF\xD8\xFF\xDA\0\0"s), "file image.corrupt");
  EXPECT_EQ(refusal("\xFF\xD8"s + std::string(1000, '\xFF')), "file image.truncated");
  EXPECT_EQ(refusal("\xFF\xD8"s + jpeg_segment('\xC0', "\x08\0\x10"s) + "\xFF\xDA\0\0"s),
            "file image.corrupt");
  const std::string frame = jpeg_segment('\xC0', "\x08\0\x10\0\x10\x01\x01\x11\0"s);
  EXPECT_EQ(refusal("\xFF\xD8"s + frame + frame + "\xFF\xDA\0\0"s), "file image.corrupt");
  EXPECT_EQ(refusal("\xFF\xD8"s + frame + "x\xDA\0\0"s), "file image.corrupt");
}

TEST(Jpeg, RefusesEveryTruncation) {
  const std::string file = text_of(encode_jpeg(sample_picture(32, 24, 3)));
  for (std::size_t length = 0; length < file.size(); ++length) {
    const std::string error = refusal(std::string_view(file).substr(0, length));
    if (length < 3) {
      EXPECT_EQ(error, "data image.unknown_format") << length;
    } else {
      EXPECT_TRUE(error == "file image.truncated" || error == "file image.corrupt")
          << length << ": " << error;
    }
  }
}

TEST(Jpeg, SurvivesDamageAnywhere) {
  const std::string file = text_of(encode_jpeg(sample_picture(32, 24, 3)));
  for (std::uint64_t trial = 0; trial < 2000; ++trial) {
    random::Generator generator(81, trial);
    std::string damaged = file;
    for (std::uint32_t i = 0; i <= generator.below(4); ++i) {
      damaged[generator.below(static_cast<std::uint32_t>(damaged.size()))] =
          static_cast<char>(generator.below(256));
    }
    const std::string error = refusal(damaged);
    EXPECT_EQ(error.find("internal"), std::string::npos) << trial;
  }
}

TEST(Image, KnowsTheFormatByItsFirstBytes) {
  EXPECT_EQ(image_format(bytes_of("\xFF\xD8\xFF\xE0"s)), ImageFormat::kJpeg);
  EXPECT_EQ(image_format(bytes_of(png_signature())), ImageFormat::kPng);
  for (const std::string& other : {"GIF89a"s, "RIFF\0\0\0\0WEBP"s, "BM"s, ""s, "\x89PNG\n"s}) {
    EXPECT_EQ(refusal(other), "data image.unknown_format");
  }
  EXPECT_THAT(message_of([] { decode("GIF89a"); }), HasSubstr("first bytes GIF89a"));
}

TEST(Image, WritesAndReadsFilesByEnding) {
  TempFolder folder;
  const Image image = sample_picture(9, 6, 3);
  for (const char* name : {"a.png", "a.PNG", "a.jpg", "a.jpeg"}) {
    write_image(real_file_system(), folder / name, image);
    const Image read = read_image(folder / name);
    EXPECT_EQ(read.width, 9u);
    EXPECT_EQ(read.height, 6u);
  }
  EXPECT_EQ(image_format(read_binary_file(folder / "a.PNG")), ImageFormat::kPng);
  EXPECT_EQ(image_format(read_binary_file(folder / "a.jpeg")), ImageFormat::kJpeg);
  EXPECT_EQ(error_of([&] { write_image(real_file_system(), folder / "a.gif", image); }),
            "usage image.unknown_ending");
  EXPECT_EQ(error_of([&] { write_image(real_file_system(), folder / "png", image); }),
            "usage image.unknown_ending");
  EXPECT_EQ(error_of([&] { read_image(folder / "a.png", {.max_file_bytes = 10}); }), "file file.too_large");
  write_file_atomically(
      real_file_system(), folder / "cut.png", read_text_file(folder / "a.png").substr(0, 60));
  EXPECT_THAT(message_of([&] { read_image(folder / "cut.png"); }), HasSubstr("cut.png"));
}

TEST(Image, RefusesToWriteShapesThatDoNotFit) {
  Image image = sample_picture(4, 4, 3);
  image.pixels.pop_back();
  EXPECT_EQ(error_of([&] { encode_png(image); }), "data image.bad_shape");
  EXPECT_EQ(error_of([&] { encode_jpeg(image); }), "data image.bad_shape");
  EXPECT_EQ(error_of([] { encode_png({.width = 0, .height = 1, .channels = 1, .pixels = {}}); }),
            "data image.bad_shape");
  EXPECT_EQ(error_of([] { encode_png(sample_picture(2, 2, 4)); }), "data image.bad_shape");
  const Image wide{.width = 70'000, .height = 1, .channels = 1, .pixels = std::vector<std::uint8_t>(70'000)};
  EXPECT_EQ(error_of([&] { encode_jpeg(wide); }), "data image.bad_shape");
  EXPECT_EQ(decode_image(encode_png(wide)).width, 70'000u);
  EXPECT_EQ(error_of([] { encode_jpeg(sample_picture(2, 2, 1), {.jpeg_quality = 0}); }),
            "usage image.bad_option");
  EXPECT_EQ(error_of([] { encode_png(sample_picture(2, 2, 1), {.png_compression = 10}); }),
            "usage image.bad_option");
}

}  // namespace
}  // namespace tenfold::io

// Sealed pieces and wrapped keys: known answers, and everything that must not open.
#include "blobstore/sealing.h"

#include <gtest/gtest.h>

#include <string>

namespace keelson::blobstore {
namespace {

SecretKey key_of(char c) { return *SecretKey::from(std::string(kKeyBytes, c)); }

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::string seal(PieceCipher& cipher, PieceCipher::Place place, std::string_view text) {
  std::string sealed(text.size() + blob::kSealTagBytes, '\0');
  cipher.seal(place, text, sealed.data());
  return sealed;
}

bool opens(PieceCipher& cipher, PieceCipher::Place place, std::string_view sealed) {
  std::string text(sealed.size(), '\0');
  return cipher.open(place, sealed, text.data());
}

// NIST SP 800-38D's reference vectors (McGrew and Viega), test case 14: AES-256, a key and a text of zeros, a nonce of
// zeros: what piece 0 that is not the last has.
TEST(Sealing, KnownAnswer) {
  PieceCipher cipher(key_of('\0'));
  EXPECT_EQ(hex(seal(cipher, {}, std::string(16, '\0'))),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

// The format: these bytes must open for ever. Made once with Python's cryptography package (AESGCM, HMAC).
TEST(Sealing, TheFormatStays) {
  const blob::Salt salt = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const SecretKey derived = segment_key(key_of('k'), salt, 0x0102030405060708);
  EXPECT_EQ(hex(derived.view()), "031b969ef236f80f39b19acd7fba176024af3d6204f3afef45bd0c4950293c06");
  PieceCipher cipher(derived);
  EXPECT_EQ(hex(seal(cipher, {258, true}, "keelson")), "bfce0e42da4c7dd1ab57b002337db3446b965646c087d0");
  const WrappedKey wrapped = wrap_key(key_of('m'), salt, "context", key_of('d'));
  EXPECT_EQ(hex({reinterpret_cast<const char*>(wrapped.data()), wrapped.size()}),
            "aaa348dada90f62f78028ca6d2023272fd9e90a2c8d5c029fa0cf9d32cee00e0de468563822176b262af9db034fb3036");
}

TEST(Sealing, OpensWhatItSealed) {
  PieceCipher cipher(key_of('a'));
  for (const size_t size : {size_t{1}, size_t{15}, size_t{16}, size_t{4097}, size_t{blob::kSealPieceBytes}}) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7);
    std::string sealed = seal(cipher, {5, false}, text);
    EXPECT_NE(sealed.substr(0, size), text);
    std::string opened(size, '\0');
    ASSERT_TRUE(cipher.open({5, false}, sealed, opened.data()));
    EXPECT_EQ(opened, text);
    // In place, as the writer does.
    std::string same = text + std::string(blob::kSealTagBytes, '\0');
    cipher.seal({5, false}, {same.data(), size}, same.data());
    EXPECT_EQ(same, sealed);
  }
}

TEST(Sealing, WhatWasChangedDoesNotOpen) {
  PieceCipher cipher(key_of('a'));
  const std::string sealed = seal(cipher, {7, true}, "forty-two bytes of text, more or less them");
  ASSERT_TRUE(opens(cipher, {7, true}, sealed));
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(opens(cipher, {7, true}, changed)) << bit;
  }
  EXPECT_FALSE(opens(cipher, {8, true}, sealed)) << "another place";
  EXPECT_FALSE(opens(cipher, {7, false}, sealed)) << "not the end any more: something was put behind it";
  EXPECT_FALSE(opens(cipher, {7, true}, sealed.substr(0, sealed.size() - 1)));
  EXPECT_FALSE(opens(cipher, {7, true}, "short"));
  EXPECT_FALSE(opens(cipher, {7, true}, std::string(blob::kSealTagBytes, '\0')));
  PieceCipher other(key_of('b'));
  EXPECT_FALSE(opens(other, {7, true}, sealed));
  // A failure leaves nothing behind.
  EXPECT_TRUE(opens(cipher, {7, true}, sealed));
}

TEST(Sealing, SegmentsHaveKeysOfTheirOwn) {
  blob::Salt salt{};
  const SecretKey one = segment_key(key_of('k'), salt, 1);
  salt[15] = 1;
  EXPECT_NE(segment_key(key_of('k'), salt, 1).view(), one.view()) << "another writer";
  salt[15] = 0;
  EXPECT_NE(segment_key(key_of('k'), salt, 2).view(), one.view()) << "another object";
  EXPECT_NE(segment_key(key_of('l'), salt, 1).view(), one.view());
  EXPECT_EQ(segment_key(key_of('k'), salt, 1).view(), one.view());
}

TEST(Sealing, AWrappedKeyNeedsItsKeyAndItsContext) {
  const blob::Salt salt{1, 2, 3};
  const SecretKey data = key_of('d');
  WrappedKey wrapped = wrap_key(key_of('m'), salt, "object", data);
  const auto back = unwrap_key(key_of('m'), salt, "object", wrapped);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->view(), data.view());
  EXPECT_FALSE(unwrap_key(key_of('n'), salt, "object", wrapped));
  EXPECT_FALSE(unwrap_key(key_of('m'), {}, "object", wrapped));
  EXPECT_FALSE(unwrap_key(key_of('m'), salt, "another object", wrapped));
  EXPECT_FALSE(unwrap_key(key_of('m'), salt, "object", std::span(wrapped).first(kKeyBytes)));
  wrapped[0] ^= 1;
  EXPECT_FALSE(unwrap_key(key_of('m'), salt, "object", wrapped));
  EXPECT_FALSE(SecretKey::from("short"));
}

// A full piece and its tag fill a chunk; so the last byte of a payload lies where the arithmetic says.
TEST(Sealing, Lengths) {
  EXPECT_EQ(blob::sealed_bytes(0), 0U);
  EXPECT_EQ(blob::sealed_bytes(1), 17U);
  EXPECT_EQ(blob::sealed_bytes(65'520), 65'536U);
  EXPECT_EQ(blob::sealed_bytes(65'521), 65'536U + 17);
  EXPECT_EQ(blob::sealed_bytes(3 * 65'520), 3 * 65'536U);
}

}  // namespace
}  // namespace keelson::blobstore

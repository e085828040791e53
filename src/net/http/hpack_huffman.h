// The Huffman code of HPACK (RFC 7541 §5.2, Appendix B). Pure.
#pragma once

#include <string>
#include <string_view>

namespace keelson::net::http {

// Appends the text. False if the bytes are no such code: a padding of more than 7 bits, or not of ones, or the symbol
// that ends a string (§5.2). Then some of the text may have been appended.
[[nodiscard]] bool huffman_decode(std::string_view bytes, std::string& into);

}  // namespace keelson::net::http

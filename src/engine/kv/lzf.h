// LZF, the compression of Redis's RDB strings: only taking apart; nothing is written compressed.
// Source: LibLZF's format. A control byte below 32 is followed by that many + 1 literal bytes; else its high 3 bits are
// a length (7: one more byte is added to it) + 2, and its low 5 bits with the next byte a distance back, less 1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson::kv {

// The original, which must be exactly `size` bytes; nothing if the bytes are not that.
[[nodiscard]] std::optional<std::string> lzf_decompress(std::string_view compressed, uint64_t size);

}  // namespace keelson::kv

// Any bytes as a posted form: the same fields and file, or the same fault, however they are cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/s3/form_data.h"
#include "protocol/s3/post_policy.h"

using namespace keelson::s3;  // tidy: using namespace, because this file is about nothing else

namespace {

std::string read_form(std::string_view body, size_t piece) {
  FormDataParser form("XX");
  std::string seen;
  while (true) {
    const auto event = form.next();
    if (!event) return seen + "!";
    switch (*event) {
      case FormDataParser::Event::kMore:
        if (body.empty()) return seen + (form.is_done() ? "." : "...");
        form.feed(body.substr(0, piece));
        body.remove_prefix(std::min(piece, body.size()));
        break;
      case FormDataParser::Event::kFile:
        for (const auto& [name, value] : form.fields()) seen.append(name).append("=").append(value).append(";");
        seen.append(form.file_name()).append(":");
        break;
      case FormDataParser::Event::kFileData:
        KEELSON_CHECK(!form.piece().empty(), "a piece has bytes");
        seen.append(form.piece());
        break;
      case FormDataParser::Event::kFileEnd:
        seen += '|';
        break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = read_form(bytes, SIZE_MAX);
  const std::string cut = read_form(bytes, 1 + size % 13);
  // A limit on the fields' bytes may be met before or behind what else is wrong.
  if (!whole.ends_with('!') && !cut.ends_with('!')) {
    KEELSON_CHECK(whole == cut, "the same however the bytes are cut");
  }
  (void)form_data_boundary(bytes);
  if (const auto policy = PostPolicy::parse(bytes)) (void)policy->check({{"key", "k"}, {"bucket", "b"}}, 0);
  return 0;
}

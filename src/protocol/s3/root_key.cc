#include "protocol/s3/root_key.h"

#include <span>
#include <string_view>
#include <utility>

#include "protocol/s3/keys.h"

namespace keelson::s3 {

namespace {

constexpr std::string_view kFileName = "s3-root-key";
constexpr uint64_t kFileBytesMax = 1024;

// The alphabet's size must be a power of two, so that every letter is as likely.
template <size_t Size>
std::string draw(env::Random& random, const char (&alphabet)[Size], size_t count) {
  constexpr size_t kLetters = Size - 1;
  static_assert((kLetters & (kLetters - 1)) == 0);
  std::string text(count, '\0');
  random.fill_secret(std::span<char>(text));
  for (char& c : text) c = alphabet[static_cast<uint8_t>(c) & (kLetters - 1)];
  return text;
}

}  // namespace

std::string make_access_key_id(env::Random& random) {
  return "K" + draw(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 19);
}

std::string make_secret(env::Random& random) {
  return draw(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40);
}

Task<Result<RootKey>> load_or_make_root_key(env::Disk& disk, env::Reactor& on, std::string folder) {
  const std::string path = folder + "/" + std::string(kFileName);
  RootKey key;
  if (disk.exists(path)) {
    Result<std::string> text = env::read_file(disk, path, kFileBytesMax);
    if (!text.ok()) co_return forward_error(text);
    while (text->ends_with('\n')) text->pop_back();
    const size_t blank = text->find(' ');
    if (blank == std::string::npos || !is_access_key_id(text->substr(0, blank)) ||
        !is_secret(text->substr(blank + 1))) {
      co_return fail(make_error_code(env::DiskErrc::kInvalid),
                     path + " does not hold an access key id and a secret on one line");
    }
    key.id = text->substr(0, blank);
    key.secret = text->substr(blank + 1);
    co_return key;
  }
  key.id = make_access_key_id(on.random());
  key.secret = make_secret(on.random());
  key.is_new = true;
  Status written = co_await env::replace_file(disk, on, folder, std::string(kFileName),
                                              key.id + " " + key.secret + "\n", env::OpenMode::kCreatePrivate);
  if (!written.ok()) co_return forward_error(written);
  co_return key;
}

}  // namespace keelson::s3

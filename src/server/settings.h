// The static configuration: one explicit table of every setting, and how its values come from a TOML file, the
// environment and flags.
//
// A setting has one dotted name everywhere: `kv.maxmemory-policy` is that key of the file (in a table [kv], or dotted),
// the flag
// --kv.maxmemory-policy, and the variable KEELSON_KV_MAXMEMORY_POLICY. Flags win over the environment, that over the
// file, that over the default. Settings named after a parameter of Redis take what Redis takes there.
//
// Everything here is a function over bytes; files and the environment are read by the caller. Errors say where: file
// and line, flag or variable.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "env/network.h"

namespace keelson::server {

enum class SettingType : uint8_t {
  kText,
  kSecret,  // a text that is never shown
  kPath,
  kBool,
  kInteger,
  kBytes,     // 1024, "64mb": k, m, g count in 1000, kb, mb, gb in 1024, as Redis does
  kDuration,  // "500ms", "1s", "5m", "1h", or 0; held in milliseconds
  kChoice,
  kAddresses,  // "127.0.0.1:6379", "[::1]:6379", "unix:/path"; several as an array, or with commas
};

struct SettingSpec {
  std::string_view key;
  SettingType type = SettingType::kText;
  std::string_view default_text;  // as a flag takes it; "" for texts, paths and addresses means none
  int64_t least = 0;              // kInteger, kBytes, kDuration
  int64_t most = 0;
  std::string_view unit = {};         // of a bare number, for people
  std::string_view choices = {};      // kChoice: separated by '|'
  bool is_dynamic = false;            // CONFIG SET can change it while the server runs
  std::string_view description = {};  // sentences
};

// All of them, grouped by the part before the last dot, in the order of the default file.
std::span<const SettingSpec> setting_table();
// Null if there is none.
const SettingSpec* find_setting(std::string_view key);
// A sentence for a key that is not there, with the one that was probably meant.
std::string unknown_setting(std::string_view key);
// "KEELSON_KV_LISTEN" for "kv.listen".
std::string variable_of(const SettingSpec& spec);

// Where a value, or an error, comes from.
struct Origin {
  enum class Kind : uint8_t { kDefault, kFile, kVariable, kFlag };
  Kind kind = Kind::kDefault;
  std::string name;   // the file, variable or flag
  uint32_t line = 0;  // in the file, from 1
  // "keelson.toml:12", "KEELSON_KV_LISTEN", "--kv.listen", "default"
  [[nodiscard]] std::string text() const;
};

struct SettingError {
  Origin origin;
  std::string key;  // may be empty (the file as a whole)
  std::string why;
  // "keelson.toml:12: kv.durability: ..."
  [[nodiscard]] std::string text() const;
};

// One value, in every shape that its type has.
struct SettingValue {
  std::string text;                          // canonical, as a flag takes it
  int64_t number = 0;                        // kBool: 0 or 1; kBytes; kDuration: milliseconds
  std::vector<env::Address> addresses = {};  // kAddresses
  Origin origin = {};
};

// The sentence in the error says what is wrong with the text, without the key or the place.
Result<SettingValue> parse_setting(const SettingSpec& spec, std::string_view text);

// A value for each row of the table.
class Settings {
 public:
  Settings();  // all defaults
  // The key must stand in the table, with a fitting type.
  [[nodiscard]] const std::string& text(std::string_view key) const;
  [[nodiscard]] int64_t number(std::string_view key) const;
  [[nodiscard]] bool flag(std::string_view key) const { return number(key) != 0; }
  [[nodiscard]] const std::vector<env::Address>& addresses(std::string_view key) const;
  [[nodiscard]] const Origin& origin(std::string_view key) const { return value(key).origin; }
  [[nodiscard]] const SettingValue& value(std::string_view key) const;
  void set(const SettingSpec& spec, SettingValue value);

 private:
  std::vector<SettingValue> values_;
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

// What there is to read. Names and values of `variables` are those of the whole environment; others than KEELSON_* are
// passed over.
struct SettingSources {
  std::string file_name;  // empty: none
  std::string file_text;
  Pairs variables;
  Pairs flags;  // key without "--", value
};

struct LoadedSettings {
  Settings settings;
  std::vector<SettingError> errors;    // each one means that the server does not start
  std::vector<SettingError> warnings;  // a KEELSON_ variable that names no setting (a container's, perhaps)
};

LoadedSettings load_settings(const SettingSources& sources);
// What single values cannot show: TLS without a certificate, an address open to the world without a password.
// `has_password` as after the password files have been read.
struct Passwords {
  bool has_kv = false;
  bool has_http = false;
};
std::vector<SettingError> check_settings(const Settings& settings, const Passwords& passwords);

// Adds what the TOML text sets to `settings`; appends to `errors`.
void read_toml(const std::string& file_name, std::string_view text, Settings& settings,
               std::vector<SettingError>& errors);

// The default file: every setting, commented.
std::string default_settings_file();
// docs/configuration.md's tables.
std::string settings_markdown();

// Changes the given keys in the text of a TOML file and leaves everything else as it is, comments too; keys that are
// not there are added. An error if the result would not read back as wanted.
Result<std::string> rewrite_toml(const std::string& file_name, std::string_view text, const Pairs& changes);

enum class SettingErrc : uint8_t {
  kOk = 0,
  kBadValue,
  kBadFile,
  kUnavailable,  // where settings are kept cannot be asked now
};
std::error_code make_error_code(SettingErrc code);

// Variables that are read but are no settings.
inline constexpr std::string_view kConfigVariable = "KEELSON_CONFIG";      // the file's path
inline constexpr std::string_view kPasswordVariable = "KEELSON_PASSWORD";  // of `keelson cli`, backup and restore

}  // namespace keelson::server

template <>
struct std::is_error_code_enum<keelson::server::SettingErrc> : std::true_type {};

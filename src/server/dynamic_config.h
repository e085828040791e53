// Settings that live in the coordination service and take effect on every node while it runs.
//
// The value of a setting stands under /keelson/config/<name>; every node watches that prefix, checks each new value,
// and puts it into force. A value that is not good (somebody has put it past `keelson config set`) changes nothing: it
// is logged, and shown by describe() until it is replaced. When the key goes, the value with which the node was started
// is in force again. Names with a '/' are an application's own: they are kept and shown, and mean nothing here.
//
// On reactor 0, but for the messages of the service.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "coord/service.h"
#include "env/reactor.h"
#include "server/settings.h"

namespace keelson::server {

inline constexpr std::string_view kConfigPrefix = "/keelson/config/";
inline constexpr size_t kConfigNameBytesMax = 512;
inline constexpr size_t kConfigValueBytesMax = 64 << 10;

// What the settings are applied to. All on reactor 0.
struct LiveSettings {
  std::function<Status(const SettingSpec&, std::string_view text)> check;
  std::function<Task<Status>(const SettingSpec&, std::string text)> apply;
  std::function<std::string(const SettingSpec&)> in_force;
};

// One name.
struct ConfigEntry {
  std::string name;
  bool is_setting = false;  // false: an application's
  std::string at_start;     // of a setting: by flags, variables and file, as in_force tells it
  std::string in_force;     // of a setting
  bool is_stored = false;   // the rest is of what the service keeps
  std::string stored;
  coord::Revision revision = 0;
  std::string why_ignored;  // not empty: what is stored is not in force
};

struct ConfigVersion {
  std::string value;
  coord::Revision revision = 0;
  int64_t version = 0;  // since the name was last unset, from 1
};

class DynamicConfig {
 public:
  // All outlive this.
  DynamicConfig(env::Reactor& home, coord::Service& service, LiveSettings live);
  ~DynamicConfig();

  // Applies what is stored, and from then on what changes, until stop().
  void start();
  Task<void> stop();

  // Why the name cannot have that value; kOk if it can.
  [[nodiscard]] Status check(std::string_view name, std::string_view text) const;
  // Checked, then stored. The revision.
  Task<Result<coord::Revision>> set(std::string name, std::string text);
  // False: nothing was stored.
  Task<Result<bool>> unset(std::string name);
  // The newest first, as far back as the service knows.
  Task<Result<std::vector<ConfigVersion>>> history(std::string name);

  // Every setting that can be changed, and what an application keeps.
  [[nodiscard]] std::vector<ConfigEntry> describe() const;

 private:
  struct Stored {
    std::string value;
    coord::Revision revision = 0;
    std::string why_ignored;
  };

  Task<void> follow();
  // Everything that is stored now; applies it. The revision at which that was.
  Task<Result<coord::Revision>> load();
  // Until the watch ends.
  Task<Status> watch(coord::Revision from);
  Task<Status> load_and_watch();
  Task<void> take(std::string name, std::string value, coord::Revision revision);
  Task<void> drop(std::string name);
  [[nodiscard]] const std::string& start_text(const SettingSpec& spec) const;

  env::Reactor& home_;
  coord::Service& service_;
  const LiveSettings live_;
  std::map<std::string, std::string, std::less<>> at_start_;  // as LiveSettings::in_force tells it, of each setting
  std::map<std::string, Stored, std::less<>> stored_;
  std::unique_ptr<coord::WatchStream> stream_;
  bool is_stopping_ = false;
  env::TaskScope tasks_;  // last: they use the rest
};

}  // namespace keelson::server

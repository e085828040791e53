// `keelson blob keys`: access keys of a running server made, shown, changed and removed, over its HTTP port
// (/admin/s3/keys).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/target.h"

namespace CLI {
class App;
}

namespace keelson::cli {

// A policy in IAM's JSON that allows what the named one does ("readwrite", "readonly", "writeonly"), within one bucket,
// below a prefix if one is given (listings of the bucket must name it then). nullopt: no such name.
[[nodiscard]] std::optional<std::string> make_bucket_policy(std::string_view named, std::string_view bucket,
                                                            std::string_view prefix);

// Lives as long as the App that it adds to.
class BlobKeysCommands {
 public:
  // Adds `keys` with its verbs to `blob`. `add_target_flags` adds to a verb the flags that say how the server is
  // reached.
  BlobKeysCommands(CLI::App& blob, const std::function<void(CLI::App&)>& add_target_flags);
  ~BlobKeysCommands();

  // Is one of these verbs on the command line?
  [[nodiscard]] bool is_asked() const;
  // The address of the HTTP port, as given or by default.
  [[nodiscard]] const std::string& address() const;
  // Does it; the exit code.
  int run(Target target);

 private:
  struct Command;
  std::unique_ptr<Command> command_;
};

}  // namespace keelson::cli

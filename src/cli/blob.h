// `keelson blob`: its verbs and their flags, for the command line.
#pragma once

#include <memory>
#include <optional>
#include <vector>

namespace CLI {
class App;
}

namespace keelson::cli {

// Lives as long as the App that it adds to.
class BlobCommands {
 public:
  // Adds `blob` with its verbs to the program's. More verbs may be added to blob().
  explicit BlobCommands(CLI::App& program);
  ~BlobCommands();

  [[nodiscard]] CLI::App& blob() { return *blob_; }
  // The exit code, if one of these verbs was on the command line.
  [[nodiscard]] std::optional<int> run();

 private:
  struct Command;
  Command& add(const char* name, const char* description);
  void add_transfer_verbs();
  void add_other_verbs();

  CLI::App* blob_;
  std::vector<std::unique_ptr<Command>> commands_;
};

}  // namespace keelson::cli

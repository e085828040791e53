#include "cli/prompt.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <utility>

#include "cli/kv_connection.h"
#include "cli/line_editor.h"
#include "cli/reply_text.h"
#include "cli/run_env.h"
#include "cli/suggestions.h"
#include "cli/words.h"
#include "env/disk.h"
#include "env/reactor.h"

namespace keelson::cli {

namespace {

constexpr size_t kHistoryLinesMax = 1000;
constexpr uint64_t kHistoryBytesMax = 4 << 20;

bool equal_words(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? x - 'A' + 'a' : x) == (y >= 'A' && y <= 'Z' ? y - 'A' + 'a' : y);
         });
}

bool is_word(const std::vector<std::string>& words, size_t at, std::string_view name) {
  return words.size() > at && equal_words(words[at], name);
}

// Lines that hold a password are not kept.
bool is_secret(const std::vector<std::string>& words) {
  if (is_word(words, 0, "auth") || is_word(words, 0, "hello")) return true;
  return is_word(words, 0, "config") && std::any_of(words.begin(), words.end(), [](const std::string& word) {
           return equal_words(word, "requirepass");
         });
}

// After these the server sends without being asked.
bool is_endless(const std::vector<std::string>& words) {
  for (std::string_view name : {"subscribe", "psubscribe", "ssubscribe", "monitor"}) {
    if (is_word(words, 0, name)) return true;
  }
  return false;
}

class Prompt {
 public:
  Prompt(env::Env& env, PromptOptions options) : env_(env), options_(std::move(options)), is_pretty_(!options_.raw) {
    if (!options_.pretty && ::isatty(STDOUT_FILENO) != 1) is_pretty_ = false;
  }

  Task<int> run() {
    if (!options_.command.empty()) co_return co_await run_once();
    if (!LineEditor::is_possible()) co_return co_await run_lines();
    co_return co_await run_terminal();
  }

  // Ctrl-C while a command is under way.
  void interrupt() {
    if (!is_waiting_ || connection_ == nullptr) std::_Exit(128 + 2);
    was_interrupted_ = true;
    connection_->close();
  }

 private:
  Task<bool> connect() {
    if (connection_ != nullptr) co_return true;
    Login login{.user = options_.user, .database = database_.value_or(options_.database), .resp3 = options_.resp3};
    auto opened = co_await KvConnection::open(env_, options_.target, std::move(login));
    if (!opened.ok()) {
      complain(opened.error().message());
      co_return false;
    }
    connection_ = std::move(*opened);
    connection_->set_on_push([this](const resp::Reply& push) { show(push); });
    co_return true;
  }

  void show(const resp::Reply& reply) {
    const std::string text = is_pretty_ ? pretty_text(reply) : raw_text(reply);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  // One command and its reply, and all that follows after SUBSCRIBE and the like. False: an error was shown.
  Task<bool> run_command(std::vector<std::string> words) {
    if (!co_await connect()) co_return false;
    is_waiting_ = true;
    was_interrupted_ = false;
    const bool endless = is_endless(words);
    // Their replies are pushes themselves in RESP3.
    if (endless) connection_->set_on_push(nullptr);
    Result<resp::Reply> reply = co_await connection_->call(words);
    if (reply.ok()) show(*reply);
    const bool is_good = reply.ok() && !reply->is_error();
    if (endless && is_good && is_pretty_) std::fputs("(Ctrl-C ends it)\n", stdout);
    while (endless && is_good && reply.ok()) {
      reply = co_await connection_->receive();
      if (reply.ok()) show(*reply);
    }
    is_waiting_ = false;
    if (!reply.ok()) {
      connection_.reset();
      if (was_interrupted_) {
        std::fputs("\n", stdout);
        co_return true;
      }
      if (!is_word(words, 0, "shutdown") && !is_word(words, 0, "quit")) complain(reply.error().message());
      co_return is_word(words, 0, "shutdown") || is_word(words, 0, "quit");
    }
    if (is_good && is_word(words, 0, "select") && words.size() == 2)
      database_ = std::atoi(words[1].c_str());  // tidy: parse, because the server has taken it
    co_return is_good;
  }

  Task<int> run_once() {
    if (options_.last_argument_from_input) {
      options_.command.emplace_back(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
    }
    bool is_good = true;
    for (uint64_t i = 0; i < options_.repeat && (is_good || i == 0); ++i) {
      if (i != 0 && options_.interval_s > 0)
        co_await env::sleep_for(env_.reactor(0), static_cast<int64_t>(options_.interval_s * 1e9));
      is_good = co_await run_command(options_.command);
    }
    co_return is_good ? kExitGood : kExitBad;
  }

  // Commands from standard input, one a line.
  Task<int> run_lines() {
    std::string line;
    bool is_good = true;
    while (std::getline(std::cin, line)) {
      std::optional<std::vector<std::string>> words = split_words(line);
      if (!words) {
        complain("a quote is not closed: " + line);
        is_good = false;
        continue;
      }
      if (words->empty() || words->front().starts_with('#')) continue;
      is_good = co_await run_command(std::move(*words));
      if (!is_good && connection_ == nullptr) break;
    }
    co_return is_good ? kExitGood : kExitBad;
  }

  std::string prompt_text() const {
    const int64_t database = database_.value_or(options_.database);
    return options_.target.address + (database != 0 ? "[" + std::to_string(database) + "]" : "") + "> ";
  }

  Task<int> run_terminal() {
    ::umask(077);  // the history is nobody else's
    load_history();
    const LineHelp help{completions, hint};
    LineEditor editor(history_, help);
    (void)co_await connect();  // an error is shown; the next command tries again
    while (true) {
      std::optional<std::string> line = editor.read_line(connection_ != nullptr ? prompt_text() : "not connected> ");
      if (!line) break;
      std::optional<std::vector<std::string>> words = split_words(*line);
      if (!words) {
        std::fputs("a quote is not closed\n", stdout);
        remember(*line);
        continue;
      }
      if (words->empty()) continue;
      if (!is_secret(*words)) remember(*line);
      if (is_word(*words, 0, "exit") || is_word(*words, 0, "quit")) break;
      if (is_word(*words, 0, "help") || words->front() == "?") {
        std::fputs(help_text(*words).c_str(), stdout);
      } else if (is_word(*words, 0, "clear")) {
        std::fputs("\x1b[H\x1b[2J", stdout);
      } else {
        (void)co_await run_command(std::move(*words));
      }
      std::fflush(stdout);
    }
    co_await save_history();
    co_return kExitGood;
  }

  void remember(const std::string& line) {
    if (!history_.empty() && history_.back() == line) return;
    history_.push_back(line);
    if (history_.size() > kHistoryLinesMax) history_.erase(history_.begin());
  }

  void load_history() {
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home == '\0') return;
    history_folder_ = home;
    Result<std::string> text =
        env::read_file(env_.disk(), history_folder_ + "/" + std::string(kHistoryName), kHistoryBytesMax);
    if (!text.ok()) return;  // none yet
    std::string_view rest = *text;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      if (end != 0) remember(std::string(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  Task<void> save_history() {
    if (history_folder_.empty()) co_return;
    std::string text;
    for (const std::string& line : history_) text.append(line).append("\n");
    const Status saved = co_await env::replace_file(env_.disk(), env_.reactor(0), history_folder_,
                                                    std::string(kHistoryName), std::move(text));
    if (!saved.ok()) complain("the history cannot be kept: " + saved.error().message());
  }

  static constexpr std::string_view kHistoryName = ".keelson_history";

  env::Env& env_;
  PromptOptions options_;
  bool is_pretty_;
  std::optional<int64_t> database_;
  std::unique_ptr<KvConnection> connection_;
  bool is_waiting_ = false;
  bool was_interrupted_ = false;
  std::vector<std::string> history_;
  std::string history_folder_;
};

Task<int> run_prompt(env::Env& env, PromptOptions options, Prompt*& present) {
  Prompt prompt(env, std::move(options));
  present = &prompt;
  const int exit_code = co_await prompt.run();
  present = nullptr;
  co_return exit_code;
}

}  // namespace

int prompt(PromptOptions options) {
  Prompt* present = nullptr;
  return run_on_env([&](env::Env& env) { return run_prompt(env, options, present); },
                    [&present] {
                      if (present != nullptr) present->interrupt();
                    });
}

}  // namespace keelson::cli

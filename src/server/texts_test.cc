// What is made from the tables of settings and verbs stands in the tree as well, for packagers and readers: it must be
// the same.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "server/command_line.h"
#include "server/settings.h"

namespace keelson::server {
namespace {

std::string file(const std::string& path) {
  std::ifstream in(std::string(KEELSON_SOURCE_DIR) + "/" + path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Packaging, HoldsWhatTheProgramPrints) {
  EXPECT_EQ(file("packaging/keelson.toml"), default_settings_file())
      << "keelson config default > packaging/keelson.toml";
  EXPECT_EQ(file("packaging/keelson.1"), man_page()) << "keelson man > packaging/keelson.1";
  EXPECT_EQ(file("packaging/completions/keelson.bash"), shell_completion("bash")) << "keelson completion bash > ...";
  EXPECT_EQ(file("packaging/completions/_keelson"), shell_completion("zsh")) << "keelson completion zsh > ...";
  EXPECT_EQ(file("packaging/completions/keelson.fish"), shell_completion("fish")) << "keelson completion fish > ...";
}

TEST(Docs, HoldTheTableOfSettings) {
  const std::string text = file("docs/configuration.md");
  EXPECT_NE(text.find("\n" + settings_markdown() + "\n<!-- end of settings -->"), std::string::npos)
      << "the tables of docs/configuration.md are made by `keelson config docs`";
}

TEST(VerbTexts, TellEveryVerbAndEverySetting) {
  const std::vector<VerbText> verbs = verb_texts();
  std::string names;
  for (const VerbText& verb : verbs) {
    names.append(verb.name).append(";");
    EXPECT_FALSE(verb.description.empty()) << verb.name;
    for (const FlagText& flag : verb.flags) EXPECT_FALSE(flag.description.empty()) << verb.name << " " << flag.names;
  }
  EXPECT_EQ(
      names,
      "serve;config get;config set;config unset;config diff;config history;config watch;config check;config "
      "default;config docs;cli;blob cp;blob sync;blob ls;blob rm;blob du;blob "
      "stat;blob mb;blob rb;blob presign;blob keys create;blob keys list;blob keys show;blob keys enable;blob keys "
      "disable;blob keys rm;blob keys policy get;blob keys policy set;blob fsck;topic create;topic list;topic "
      "describe;topic delete;topic "
      "alter;topic produce;topic consume;topic dead-letters;topic groups;topic seek;cluster init;cluster "
      "status;cluster "
      "add;cluster remove;cluster drain;cluster activate;cluster move;cluster lead;cluster move-slots;cluster "
      "cancel-move;cluster rebalance;elect;backup;restore;log inspect;log verify;completion;man;version;");
  std::string flags;
  for (const FlagText& flag : verbs.front().flags) flags.append(flag.names).append(";");
  for (const SettingSpec& spec : setting_table())
    EXPECT_NE(flags.find("--" + std::string(spec.key) + ";"), std::string::npos) << spec.key;
}

TEST(ShellCompletion, IsForThreeShells) {
  EXPECT_EQ(shell_completion("tcsh"), "");
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string text = shell_completion(shell);
    for (const char* word : {"serve", "kv.maxmemory-policy", "volatile-ttl", "verify"})
      EXPECT_NE(text.find(word), std::string::npos) << shell << word;
  }
}

}  // namespace
}  // namespace keelson::server

#include "cli/backup_archive.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace keelson::cli {
namespace {

struct Collected final : BackupVisitor {
  Status on_header(const BackupHeader& read) override {
    header = read;
    return {};
  }
  Status on_file(std::string_view name, uint64_t size) override {
    current = name;
    files[current].assign(size, '\0');
    return {};
  }
  Status on_data(uint64_t offset, std::string_view bytes) override {
    files[current].replace(offset, bytes.size(), bytes);
    return {};
  }
  void on_progress(std::string_view text) override { said.append(text); }

  BackupHeader header;
  std::map<std::string, std::string> files;
  std::string current;
  std::string said;
};

using Files = std::map<std::string, std::string>;

Files random_files(std::mt19937_64& random) {
  Files files;
  for (size_t count = 1 + random() % 4; count > 0; --count) {
    std::string content(random() % 40'000, '\0');
    for (size_t at = 0; at < content.size();) {  // runs of noise and of zeros
      const size_t run = std::min<size_t>(1 + random() % 12'000, content.size() - at);
      if (random() % 2 == 0) {
        for (size_t i = 0; i < run; ++i) content[at + i] = static_cast<char>(random());
      }
      at += run;
    }
    files["d/f" + std::to_string(count)] = std::move(content);
  }
  return files;
}

std::string write(const Files& files, std::mt19937_64& random) {
  Buffer out;
  BackupWriter writer(out);
  writer.progress("checkpoint 1/16");
  writer.header({.files = files.size(), .bytes = 5, .created_wall_ms = 7, .version = "1.2"});
  for (const auto& [name, content] : files) {
    writer.file(name, content.size());
    size_t end = content.size();
    while (end > 0) {  // from its end, as a file that grows is read
      const size_t piece = std::min<size_t>(end, 1 + random() % 20'000);
      writer.data(end - piece, std::string_view(content).substr(end - piece, piece));
      end -= piece;
    }
  }
  writer.end();
  return std::string(out.view());
}

TEST(BackupArchive, ReadsBackInAnyPieces) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    const Files files = random_files(random);
    const std::string bytes = write(files, random);
    Collected read;
    BackupReader reader(read);
    for (size_t at = 0; at < bytes.size();) {
      const size_t piece = std::min<size_t>(1 + random() % 5000, bytes.size() - at);
      const Status fed = reader.feed(std::string_view(bytes).substr(at, piece));
      ASSERT_TRUE(fed.ok()) << fed.error().message();
      at += piece;
    }
    ASSERT_TRUE(reader.finish().ok());
    EXPECT_EQ(read.files, files);
    EXPECT_EQ(read.header.version, "1.2");
    EXPECT_EQ(read.said, "checkpoint 1/16");
  }
}

TEST(BackupArchive, ZerosTakeNoRoom) {
  std::mt19937_64 random(1);
  EXPECT_LT(write({{"f", std::string(10 << 20, '\0')}}, random).size(), 300u);
}

TEST(BackupArchive, EveryChangedByteIsFound) {
  std::mt19937_64 random(2);
  const std::string bytes = write({{"a", "hello"}, {"b", std::string(100, 'x')}}, random);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (random() % 8)));
    Collected read;
    BackupReader reader(read);
    const bool is_good = reader.feed(changed).ok() && reader.finish().ok();
    EXPECT_FALSE(is_good) << "byte " << at;
  }
}

TEST(BackupArchive, EveryShorterArchiveIsRefused) {
  std::mt19937_64 random(3);
  const std::string bytes = write({{"a", "hello"}}, random);
  for (size_t size = 0; size < bytes.size(); ++size) {
    Collected read;
    BackupReader reader(read);
    const Status fed = reader.feed(std::string_view(bytes).substr(0, size));
    ASSERT_TRUE(fed.ok());
    EXPECT_FALSE(reader.finish().ok());
  }
  Collected read;
  BackupReader reader(read);
  EXPECT_FALSE(reader.feed(bytes + "x").ok());
}

// The server tells again what there is once it knows; only the last header must be true.
TEST(BackupArchive, ALaterHeaderTakesTheFirstOnesPlace) {
  for (const uint64_t told : {0, 2, 3, 4}) {
    Buffer out;
    BackupWriter writer(out);
    writer.header({.files = 17, .bytes = 9});
    writer.file("a", 3);
    writer.data(0, "abc");
    writer.header({.files = told, .bytes = 4});
    writer.file("blob/0/00000001.vol", 0);
    writer.file("node", 1);
    writer.data(0, "x");
    writer.end();
    Collected read;
    BackupReader reader(read);
    EXPECT_EQ(reader.feed(out.view()).ok() && reader.finish().ok(), told == 3) << told;
    EXPECT_EQ(read.header.files, told);
  }
}

TEST(BackupArchive, FramesThatChangedPlacesAreFound) {
  Buffer out;
  BackupWriter writer(out);
  writer.header({.files = 1});
  writer.file("f", 10);
  const size_t begin = out.size();
  writer.data(0, "aaaaa");
  const size_t middle = out.size();
  writer.data(5, "bbbbb");
  const size_t end = out.size();
  writer.end();
  const std::string bytes(out.view());
  const std::string swapped = bytes.substr(0, begin) + bytes.substr(middle, end - middle) +
                              bytes.substr(begin, middle - begin) + bytes.substr(end);
  Collected read;
  BackupReader reader(read);
  EXPECT_FALSE(reader.feed(swapped).ok());
}

TEST(BackupArchive, NamesStayBelowTheFolder) {
  for (std::string_view good : {"node", "log/0001.log", "checkpoints/0000-00000001.ckp", "blob/15/0000002a.vol"})
    EXPECT_TRUE(is_safe_name(good)) << good;
  for (std::string_view bad :
       {"", "/etc/passwd", "../x", "a/../b", "a/b/c/d", "a//b", "//", "a/", "a b", "a\n", "..", "~"})
    EXPECT_FALSE(is_safe_name(bad)) << bad;
  Buffer out;
  BackupWriter writer(out);
  writer.header({.files = 1});
  writer.file("../x", 1);
  Collected read;
  BackupReader reader(read);
  EXPECT_FALSE(reader.feed(out.view()).ok());
  EXPECT_TRUE(read.files.empty());
}

}  // namespace
}  // namespace keelson::cli

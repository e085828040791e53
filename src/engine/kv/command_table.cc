// The table of all commands, and the ways to look into it.
//
// The rows stand in command_table_*.def, one file for a few groups, each row with its fields' names. What they mean is
// said at CommandSpec (command.h); names, arities, flags, keys, categories and versions are those of Redis 7.0.
//
// Codes stand in logs and checkpoints of logs. A code is given once: it is never renumbered, and never given to another
// command after its own has gone. Each group has a band of numbers (100 to 149 for strings, and so on); a new command
// takes the next free one of its band.
//
// The table is sorted and hashed by the compiler, so looking into it needs no set-up and no lock.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "engine/kv/args.h"
#include "engine/kv/command.h"
#include "engine/kv/handlers.h"

namespace keelson::kv {

namespace {

constexpr CommandSpec kRows[] = {
#include "engine/kv/command_table_cluster.def"
#include "engine/kv/command_table_collection.def"
#include "engine/kv/command_table_connection.def"
#include "engine/kv/command_table_generic.def"
#include "engine/kv/command_table_internal.def"
#include "engine/kv/command_table_later.def"
#include "engine/kv/command_table_server.def"
#include "engine/kv/command_table_sorted_set.def"
#include "engine/kv/command_table_string.def"
};
constexpr size_t kCommandCount = std::size(kRows);

// By name, with '|' before every other character, so that subcommands follow their container at once.
constexpr bool stands_before(const CommandSpec& a, const CommandSpec& b) {
  const auto weight = [](char c) { return c == '|' ? 0 : static_cast<int>(static_cast<unsigned char>(c)); };
  return std::lexicographical_compare(a.name.begin(), a.name.end(), b.name.begin(), b.name.end(),
                                      [&](char left, char right) { return weight(left) < weight(right); });
}

consteval std::array<CommandSpec, kCommandCount> sorted_rows() {
  // Sorts indexes, which are cheaper to move than rows.
  std::array<uint16_t, kCommandCount> order{};
  for (size_t i = 0; i < kCommandCount; ++i) order[i] = static_cast<uint16_t>(i);
  std::sort(order.begin(), order.end(), [](uint16_t a, uint16_t b) { return stands_before(kRows[a], kRows[b]); });
  std::array<CommandSpec, kCommandCount> rows{};
  for (size_t i = 0; i < kCommandCount; ++i) rows[i] = kRows[order[i]];
  return rows;
}

constexpr std::array<CommandSpec, kCommandCount> kTable = sorted_rows();
constexpr uint16_t kNone = 0xffff;

// A code given twice does not compile.
consteval std::array<uint16_t, kCommandCodesEnd> index_by_code() {
  std::array<uint16_t, kCommandCodesEnd> index{};
  index.fill(kNone);
  for (size_t i = 0; i < kCommandCount; ++i) {
    // tidy: throw, because that is how a consteval function refuses to compile.
    if (kTable[i].code == 0 || index[kTable[i].code] != kNone) throw "a code is missing or given twice";
    index[kTable[i].code] = static_cast<uint16_t>(i);
  }
  return index;
}

constexpr std::array<uint16_t, kCommandCodesEnd> kIndexByCode = index_by_code();

template <class Word>
constexpr uint64_t load(const char* from) {
  if consteval {
    uint64_t word = 0;
    for (size_t i = 0; i < sizeof(Word); ++i) word |= uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    return word;
  } else {
    Word word;
    std::memcpy(&word, from, sizeof(word));
    return word;
  }
}
static_assert(std::endian::native == std::endian::little, "the table's hash was made for little-endian words");

// Eight letters to upper case at once; bytes that are no ASCII letters stay.
constexpr uint64_t upper_case(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t low_bits = word & (kOnes * 0x7f);
  const uint64_t is_past_z = low_bits + kOnes * (0x7f - 'z');
  const uint64_t is_from_a = low_bits + kOnes * (0x80 - 'a');
  const uint64_t is_lower = ~word & (is_from_a ^ is_past_z) & (kOnes * 0x80);
  return word ^ (is_lower >> 2);
}

// The first and the last eight bytes of a name (they overlap if it is short), in upper case. Names of up to 16 bytes
// are equal exactly if lengths and words are.
struct NameWords {
  uint64_t first = 0;
  uint64_t last = 0;
};

constexpr size_t kNameInWordsMax = 16;

constexpr NameWords words_of(std::string_view name) {
  const char* at = name.data();
  const size_t size = name.size();
  if (size >= 8) return {upper_case(load<uint64_t>(at)), upper_case(load<uint64_t>(at + size - 8))};
  if (size >= 4) return {upper_case(load<uint32_t>(at) | load<uint32_t>(at + size - 4) << 32), 0};
  if (size == 0) return {};
  const uint64_t word = load<uint8_t>(at) | load<uint8_t>(at + size / 2) << 8 | load<uint8_t>(at + size - 1) << 16;
  return {upper_case(word), 0};
}

// Four times as many slots as names: a look-up seldom meets a second name.
constexpr unsigned kSlotBits = 10;
constexpr size_t kSlotCount = size_t{1} << kSlotBits;

constexpr size_t slot_of(const NameWords& words, size_t size) {
  const uint64_t mixed = (words.first ^ (words.last >> 3) ^ size) * 0x9e3779b97f4a7c15;
  return (mixed ^ (words.last * 0xc2b2ae3d27d4eb4f)) >> (64 - kSlotBits);
}

struct Slot {
  NameWords words;
  uint16_t index = kNone;
  uint16_t size = 0;
};

consteval std::array<Slot, kSlotCount> fill_slots() {
  std::array<Slot, kSlotCount> slots{};
  for (size_t i = 0; i < kCommandCount; ++i) {
    const std::string_view name = kTable[i].name;
    if (is_subcommand(kTable[i])) continue;
    const NameWords words = words_of(name);
    size_t at = slot_of(words, name.size());
    while (slots[at].index != kNone) at = (at + 1) % kSlotCount;
    slots[at] = {words, static_cast<uint16_t>(i), static_cast<uint16_t>(name.size())};
  }
  return slots;
}

constexpr std::array<Slot, kSlotCount> kSlots = fill_slots();

constexpr CommandFlagName kFlagNames[] = {
    {kWrite, "write"},
    {kReadonly, "readonly"},
    {kDenyOom, "denyoom"},
    {kModule, "module"},
    {kAdmin, "admin"},
    {kPubsub, "pubsub"},
    {kNoScript, "noscript"},
    {kBlocking, "blocking"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipMonitor, "skip_monitor"},
    {kSkipSlowlog, "skip_slowlog"},
    {kAsking, "asking"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kMayReplicate, "may_replicate"},
    {kNoMandatoryKeys, "no_mandatory_keys"},
    {kNoAsyncLoading, "no_async_loading"},
    {kNoMulti, "no_multi"},
    {kMovableKeys, "movablekeys"},
    {kAllowBusy, "allow_busy"},
};

}  // namespace

std::span<const CommandFlagName> command_flag_names() { return kFlagNames; }

std::span<const CommandSpec> command_table() { return kTable; }

const CommandSpec* find_command(std::string_view name) {
  const NameWords words = words_of(name);
  for (size_t at = slot_of(words, name.size());; at = (at + 1) % kSlotCount) {
    const Slot& slot = kSlots[at];
    if (slot.index == kNone) return nullptr;
    if (slot.words.first != words.first || slot.words.last != words.last || slot.size != name.size()) continue;
    const CommandSpec& spec = kTable[slot.index];
    if (name.size() <= kNameInWordsMax || is_option(name, spec.name)) return &spec;
  }
}

std::span<const CommandSpec> subcommands_of(const CommandSpec& container) {
  const CommandSpec* from = &container + 1;
  const CommandSpec* const end = kTable.data() + kTable.size();
  const CommandSpec* to = from;
  const size_t prefix = container.name.size();
  while (to != end && to->name.size() > prefix && to->name[prefix] == '|' && to->name.starts_with(container.name)) {
    ++to;
  }
  return {from, to};
}

const CommandSpec* find_subcommand(const CommandSpec& container, std::string_view name) {
  for (const CommandSpec& spec : subcommands_of(container)) {
    if (is_option(name, spec.name.substr(container.name.size() + 1))) return &spec;
  }
  return nullptr;
}

const CommandSpec* command_by_code(uint16_t code) {
  if (code >= kCommandCodesEnd || kIndexByCode[code] == kNone) return nullptr;
  return &kTable[kIndexByCode[code]];
}

}  // namespace keelson::kv

// COMMAND: the command table, as clients want to see it.
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/glob.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"
#include "protocol/resp/syntax_tree.h"

namespace keelson::resp {

namespace {

// "a b c" -> {"a", "b", "c"}
std::vector<std::string_view> words(std::string_view text, char separator = ' ') {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end != 0) result.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

// What COMMAND calls it: "get", "config|get".
std::string shown_name(const kv::CommandSpec& spec) { return lower_case(spec.name); }

// "get", "config|get", in any case. Null for what clients may not know.
const kv::CommandSpec* find_by_shown_name(std::string_view name) {
  const size_t bar = name.find('|');
  const kv::CommandSpec* spec = kv::find_command(name.substr(0, bar));
  if (spec != nullptr && bar != std::string_view::npos) spec = kv::find_subcommand(*spec, name.substr(bar + 1));
  return spec != nullptr && !kv::is_internal(*spec) ? spec : nullptr;
}

// Built, or a container of something built. What is not is in no list, so that clients that ask do without it; DOCS
// tells of it when it is named.
bool is_served(const kv::CommandSpec& spec) {
  return !kv::is_internal(spec) &&
         (spec.home != kv::Home::kUnsupported || std::ranges::any_of(kv::subcommands_of(spec), is_served));
}

std::vector<const kv::CommandSpec*> served_subcommands_of(const kv::CommandSpec& container) {
  std::vector<const kv::CommandSpec*> served;
  for (const kv::CommandSpec& spec : kv::subcommands_of(container)) {
    if (is_served(spec)) served.push_back(&spec);
  }
  return served;
}

// Commands and containers, without subcommands and internal ones.
void for_each_command(const std::function<void(const kv::CommandSpec&)>& visit) {
  for (const kv::CommandSpec& spec : kv::command_table()) {
    if (is_served(spec) && !kv::is_subcommand(spec)) visit(spec);
  }
}

size_t command_count() {
  size_t count = 0;
  for_each_command([&count](const kv::CommandSpec&) { ++count; });
  return count;
}

void reply_flags(RespWriter& out, const kv::CommandSpec& spec) {
  std::vector<std::string_view> names;
  for (const kv::CommandFlagName& row : kv::command_flag_names()) {
    if ((spec.flags & row.flag) != 0) names.push_back(row.name);
  }
  out.set(names.size());
  for (const std::string_view name : names) out.status(name);
}

void reply_words_as_set(RespWriter& out, std::string_view text, std::string_view prefix = {}) {
  const std::vector<std::string_view> all = words(text);
  out.set(all.size());
  for (const std::string_view word : all) out.status(std::string(prefix) + std::string(word));
}

void reply_pair(RespWriter& out, std::string_view name, int64_t value) {
  out.bulk(name);
  out.integer(value);
}

void reply_begin_search(RespWriter& out, const kv::KeySpecView& view) {
  out.bulk("begin_search");
  out.map(2);
  out.bulk("type");
  switch (view.begin) {
    case kv::KeySpecView::Begin::kIndex:
      out.bulk("index");
      out.bulk("spec");
      out.map(1);
      reply_pair(out, "index", view.index);
      break;
    case kv::KeySpecView::Begin::kKeyword:
      out.bulk("keyword");
      out.bulk("spec");
      out.map(2);
      out.bulk("keyword");
      out.bulk(view.keyword);
      reply_pair(out, "startfrom", view.start_from);
      break;
    case kv::KeySpecView::Begin::kUnknown:
      out.bulk("unknown");
      out.bulk("spec");
      out.map(0);
      break;
  }
}

void reply_find_keys(RespWriter& out, const kv::KeySpecView& view) {
  out.bulk("find_keys");
  out.map(2);
  out.bulk("type");
  switch (view.find) {
    case kv::KeySpecView::Find::kRange:
      out.bulk("range");
      out.bulk("spec");
      out.map(3);
      reply_pair(out, "lastkey", view.last_key);
      reply_pair(out, "keystep", view.key_step);
      reply_pair(out, "limit", view.limit);
      break;
    case kv::KeySpecView::Find::kKeynum:
      out.bulk("keynum");
      out.bulk("spec");
      out.map(3);
      reply_pair(out, "keynumidx", view.keynum_index);
      reply_pair(out, "firstkey", view.first_key);
      reply_pair(out, "keystep", view.key_step);
      break;
    case kv::KeySpecView::Find::kUnknown:
      out.bulk("unknown");
      out.bulk("spec");
      out.map(0);
      break;
  }
}

void reply_key_specs(RespWriter& out, const kv::CommandSpec& spec) {
  std::array<kv::KeySpecView, kv::kKeySpecsMax> views;
  const size_t count = kv::key_specs_of(spec, views);
  out.set(count);
  for (const kv::KeySpecView& view : std::span(views).first(count)) {
    out.map(3);
    out.bulk("flags");
    reply_words_as_set(out, view.flags);
    reply_begin_search(out, view);
    reply_find_keys(out, view);
  }
}

// The three numbers of old: what the key specs say better. Redis shows numkeys commands without a fixed key as 0, 0, 0.
void reply_key_positions(RespWriter& out, const kv::CommandSpec& spec) {
  out.integer(spec.keys.first);
  out.integer(spec.keys.last);
  out.integer(spec.keys.first == 0 ? 0 : spec.keys.step);
}

void reply_info(RespWriter& out, const kv::CommandSpec* spec) {
  if (spec == nullptr || !is_served(*spec)) {
    out.null();
    return;
  }
  out.array(10);
  out.bulk(shown_name(*spec));
  out.integer(spec->arity);
  reply_flags(out, *spec);
  reply_key_positions(out, *spec);
  reply_words_as_set(out, spec->acl, "@");
  const std::vector<std::string_view> tips = words(spec->tips);
  out.set(tips.size());
  for (const std::string_view tip : tips) out.bulk(tip);
  reply_key_specs(out, *spec);
  const std::vector<const kv::CommandSpec*> subcommands = served_subcommands_of(*spec);
  out.set(subcommands.size());
  for (const kv::CommandSpec* subcommand : subcommands) reply_info(out, subcommand);
}

// Keys are counted through: each says which of the command's key specs finds it.
int reply_arguments(RespWriter& out, const std::vector<SyntaxNode>& nodes, int last_key_spec);

int reply_argument(RespWriter& out, const SyntaxNode& node, int last_key_spec) {
  const auto text = [&out](std::string_view name, std::string_view value) {
    out.bulk(name);
    out.bulk(value);
  };
  const bool is_key = node.type == "key";
  const unsigned flags = unsigned{node.is_optional} + unsigned{node.is_multiple} + unsigned{node.is_token_repeated};
  out.map(2U + unsigned{is_key} + unsigned{!node.token.empty()} + unsigned{flags != 0} +
          unsigned{!node.children.empty()});
  text("name", node.name);
  text("type", node.type);
  if (is_key) {
    out.bulk("key_spec_index");
    out.integer(++last_key_spec);
  }
  if (!node.token.empty()) text("token", node.token);
  if (flags != 0) {
    out.bulk("flags");
    out.set(flags);
    if (node.is_optional) out.status("optional");
    if (node.is_multiple) out.status("multiple");
    if (node.is_token_repeated) out.status("multiple_token");
  }
  return node.children.empty() ? last_key_spec : reply_arguments(out, node.children, last_key_spec);
}

int reply_arguments(RespWriter& out, const std::vector<SyntaxNode>& nodes, int last_key_spec) {
  out.bulk("arguments");
  out.array(nodes.size());
  for (const SyntaxNode& node : nodes) last_key_spec = reply_argument(out, node, last_key_spec);
  return last_key_spec;
}

void reply_docs(RespWriter& out, const kv::CommandSpec& spec) {
  const std::vector<const kv::CommandSpec*> subcommands = served_subcommands_of(spec);
  const std::string_view module = spec.home == kv::Home::kUnsupported ? "keelson: not supported" : "";
  out.bulk(shown_name(spec));
  out.map(4 + (spec.doc_flags.empty() ? 0 : 1) + (spec.syntax.empty() ? 0 : 1) + (module.empty() ? 0 : 1) +
          (subcommands.empty() ? 0 : 1));
  const auto text = [&out](std::string_view name, std::string_view value) {
    out.bulk(name);
    out.bulk(value);
  };
  text("summary", spec.summary);
  text("since", spec.since);
  text("group", spec.group);
  text("complexity", spec.complexity);
  if (!spec.doc_flags.empty()) {
    out.bulk("doc_flags");
    reply_words_as_set(out, spec.doc_flags);
  }
  if (!spec.syntax.empty()) reply_arguments(out, parse_syntax(spec.syntax), -1);
  if (!module.empty()) text("note", module);
  if (subcommands.empty()) return;
  out.bulk("subcommands");
  out.map(subcommands.size());
  for (const kv::CommandSpec* subcommand : subcommands) reply_docs(out, *subcommand);
}

// The command that `args` spell, or null once an error has been answered; its keys are then in `keys`.
const kv::CommandSpec* keys_of_command(RespWriter& out, kv::Args args, std::vector<uint32_t>& keys) {
  const kv::CommandSpec* spec = kv::find_command(args[0]);
  if (spec != nullptr && args.size() > 1 && !kv::subcommands_of(*spec).empty()) {
    spec = kv::find_subcommand(*spec, args[1]);
  }
  if (spec == nullptr || kv::is_internal(*spec)) {
    out.error("ERR Invalid command specified");
    return nullptr;
  }
  std::array<kv::KeySpecView, kv::kKeySpecsMax> views;
  if (kv::key_specs_of(*spec, views) == 0) {
    out.error("ERR The command has no key arguments");
    return nullptr;
  }
  if (!kv::arity_fits(*spec, args.size())) {
    out.error("ERR Invalid number of arguments specified for command");
    return nullptr;
  }
  const bool is_well_formed = kv::keys_of(*spec, args, keys);
  if (is_well_formed && (!keys.empty() || (spec->flags & kv::kNoMandatoryKeys) != 0)) return spec;
  out.error("ERR Invalid arguments specified for command");
  return nullptr;
}

// What a command does with the key at this place: what the spec says that begins there; the last spec is for the keys
// that none covers (SORT's destination).
std::string_view key_flags_at(const kv::CommandSpec& spec, uint32_t index) {
  std::array<kv::KeySpecView, kv::kKeySpecsMax> views;
  const size_t count = kv::key_specs_of(spec, views);
  const int at = static_cast<int>(index);
  for (const kv::KeySpecView& view : std::span(views).first(count)) {
    if (view.begin != kv::KeySpecView::Begin::kIndex) continue;
    const bool is_one_key = view.find == kv::KeySpecView::Find::kRange && view.last_key == 0;
    if (is_one_key ? at == view.index : at >= view.index) return view.flags;
  }
  return count == 0 ? std::string_view() : views[count - 1].flags;
}

// Redis says of each key what the command will do with it: "variable_flags" is for specs alone.
void reply_key_flags(RespWriter& out, std::string_view flags) {
  std::vector<std::string_view> all = words(flags);
  std::erase(all, "variable_flags");
  out.set(all.size());
  for (const std::string_view word : all) out.status(word);
}

}  // namespace

Task<void> cmd_command(Session& session, kv::Args) {
  session.out().array(command_count());
  for_each_command([&session](const kv::CommandSpec& spec) { reply_info(session.out(), &spec); });
  co_return;
}

Task<void> cmd_command_count(Session& session, kv::Args) {
  session.out().integer(static_cast<int64_t>(command_count()));
  co_return;
}

Task<void> cmd_command_info(Session& session, kv::Args args) {
  if (args.size() == 2) co_return co_await cmd_command(session, args);
  const kv::Args names = args.subspan(2);
  session.out().array(names.size());
  for (const std::string_view name : names) reply_info(session.out(), find_by_shown_name(name));
}

Task<void> cmd_command_docs(Session& session, kv::Args args) {
  if (args.size() == 2) {
    session.out().map(command_count());
    for_each_command([&session](const kv::CommandSpec& spec) { reply_docs(session.out(), spec); });
    co_return;
  }
  std::vector<const kv::CommandSpec*> found;
  for (const std::string_view name : args.subspan(2)) {
    if (const kv::CommandSpec* spec = find_by_shown_name(name)) found.push_back(spec);
  }
  session.out().map(found.size());
  for (const kv::CommandSpec* spec : found) reply_docs(session.out(), *spec);
}

Task<void> cmd_command_list(Session& session, kv::Args args) {
  RespWriter& out = session.out();
  const bool is_filtered = args.size() == 5 && equals_ignoring_case(args[2], "FILTERBY");
  const bool by_module = is_filtered && equals_ignoring_case(args[3], "MODULE");
  const bool by_category = is_filtered && equals_ignoring_case(args[3], "ACLCAT");
  const bool by_pattern = is_filtered && equals_ignoring_case(args[3], "PATTERN");
  if (args.size() != 2 && !by_module && !by_category && !by_pattern) {
    out.error(kErrSyntax);
    co_return;
  }
  std::vector<std::string> names;
  for (const kv::CommandSpec& spec : kv::command_table()) {
    // Redis lists subcommands only when a filter finds them.
    if (!is_served(spec) || by_module || (!is_filtered && kv::is_subcommand(spec))) continue;
    const std::string name = shown_name(spec);
    if (by_pattern && !glob_match(args[4], name, GlobCase::kIgnore)) continue;
    if (by_category) {
      const std::vector<std::string_view> categories = words(spec.acl);
      if (std::ranges::find(categories, lower_case(args[4])) == categories.end()) continue;
    }
    names.push_back(name);
  }
  out.array(names.size());
  for (const std::string& name : names) out.bulk(name);
}

Task<void> cmd_command_getkeys(Session& session, kv::Args args) {
  const kv::Args command = args.subspan(2);
  std::vector<uint32_t> keys;
  if (keys_of_command(session.out(), command, keys) == nullptr) co_return;
  session.out().array(keys.size());
  for (const uint32_t index : keys) session.out().bulk(command[index]);
}

Task<void> cmd_command_getkeysandflags(Session& session, kv::Args args) {
  const kv::Args command = args.subspan(2);
  std::vector<uint32_t> keys;
  const kv::CommandSpec* spec = keys_of_command(session.out(), command, keys);
  if (spec == nullptr) co_return;
  session.out().array(keys.size());
  for (const uint32_t index : keys) {
    session.out().array(2);
    session.out().bulk(command[index]);
    reply_key_flags(session.out(), key_flags_at(*spec, index));
  }
}

}  // namespace keelson::resp

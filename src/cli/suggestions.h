// What the prompt can say about a line that is being typed: completions and hints, from the command table alone. Pure
// functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::cli {

// Whole lines that the line could become with TAB: names of commands and of subcommands, in the case that was begun in.
std::vector<std::string> completions(std::string_view line);
// The arguments that are still to come, as they stand behind the line ("seconds [NX|XX]"); empty if nothing is known.
std::string hint(std::string_view line);
// HELP: what there is to know about a command, or a list of groups and how to go on.
std::string help_text(const std::vector<std::string>& words);

}  // namespace keelson::cli

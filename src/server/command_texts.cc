// Shell completion and the man page, made from the verbs and their flags.
#include <algorithm>
#include <map>
#include <set>

#include "server/command_line.h"
#include "server/node.h"

namespace keelson::server {

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (at <= text.size()) {
    const size_t end = std::min(text.find(separator, at), text.size());
    if (end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::string first_word(const std::string& text) { return text.substr(0, text.find(' ')); }
std::string second_word(const std::string& text) {
  const size_t blank = text.find(' ');
  return blank == std::string::npos ? "" : text.substr(blank + 1);
}

// What may follow the program's name, and what may follow a verb that has verbs of its own.
std::map<std::string, std::set<std::string>> verb_tree(const std::vector<VerbText>& verbs) {
  std::map<std::string, std::set<std::string>> tree;
  for (const VerbText& verb : verbs) {
    std::set<std::string>& inner = tree[first_word(verb.name)];
    if (!second_word(verb.name).empty()) inner.insert(second_word(verb.name));
  }
  return tree;
}

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

// Do files stand among the verb's arguments?
bool takes_files(const std::string& verb) {
  return verb == "backup" || verb == "restore" || verb == "blob cp" || verb == "blob sync";
}

bool is_file(const std::string& value) { return value == "FILE" || value == "PATH"; }

std::string bash_completion(const std::vector<VerbText>& verbs) {
  const auto tree = verb_tree(verbs);
  std::set<std::string> names;
  for (const auto& [name, inner] : tree) names.insert(name);
  std::string text =
      "# bash completion of keelson; made by `keelson completion bash`.\n"
      "_keelson() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words=''\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '" +
      joined(names) +
      " --help --version' -- \"$word\"))\n    return\n  fi\n"
      "  case $verb in\n";
  for (const auto& [name, inner] : tree) {
    if (!inner.empty())
      text += "    " + name + ") [ \"$COMP_CWORD\" -eq 2 ] && words='" + joined(inner) +
              "' || verb=\"$verb ${COMP_WORDS[2]}\" ;;\n";
  }
  text += "  esac\n  case $verb in\n";
  std::set<std::string> file_flags;
  for (const VerbText& verb : verbs) {
    std::set<std::string> words;
    std::string choices;
    for (const FlagText& flag : verb.flags) {
      for (const std::string& name : split(flag.names, ',')) {
        words.insert(name);
        if (is_file(flag.value)) file_flags.insert(name);
        if (flag.value.find('|') != std::string::npos) {
          std::string values = flag.value;
          std::replace(values.begin(), values.end(), '|', ' ');
          choices += "        " + name + ") words='" + values + "' ;;\n";
        }
      }
    }
    text += "    '" + verb.name + "')\n      words='" + joined(words) +
            (verb.name == "completion" ? " bash zsh fish" : "") + "'\n";
    if (!choices.empty()) text += "      case $before in\n" + choices + "      esac\n";
    text += "      ;;\n";
  }
  text += "  esac\n  case $before in\n    ";
  std::string list;
  for (const std::string& name : file_flags) list += (list.empty() ? "" : "|") + name;
  text += list +
          ") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n  esac\n"
          "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "  case $verb in backup|restore|'blob cp'|'blob sync') COMPREPLY+=($(compgen -f -- \"$word\")) ;; esac\n"
          "}\ncomplete -o filenames -F _keelson keelson\n";
  return text;
}

// Without what the shells' quotes and brackets would trip over.
std::string plain(const std::string& description) {
  std::string text;
  for (char c : description.substr(0, description.find(". "))) {
    if (c != '\'' && c != '"' && c != '[' && c != ']' && c != '`' && c != '\\' && c != '$')
      text.push_back(c == ':' ? ',' : c);
  }
  while (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

std::string zsh_completion(const std::vector<VerbText>& verbs) {
  const auto tree = verb_tree(verbs);
  std::string text =
      "#compdef keelson\n# zsh completion of keelson; made by `keelson completion zsh`.\n_keelson() {\n"
      "  local -a verbs\n  if (( CURRENT == 2 )); then\n    verbs=(";
  for (const auto& [name, inner] : tree) text += name + " ";
  text += ")\n    _describe verb verbs\n    return\n  fi\n  local verb=$words[2]\n";
  for (const auto& [name, inner] : tree) {
    if (inner.empty()) continue;
    text += "  if [[ $verb == " + name + " ]]; then\n    if (( CURRENT == 3 )); then verbs=(" + joined(inner) +
            "); _describe verb verbs; return; fi\n    verb=\"$verb $words[3]\"\n  fi\n";
  }
  text += "  case $verb in\n";
  for (const VerbText& verb : verbs) {
    text += "    '" + verb.name + "') _arguments";
    for (const FlagText& flag : verb.flags) {
      for (const std::string& name : split(flag.names, ',')) {
        text += " \\\n      '" + name + "[" + plain(flag.description) + "]";
        if (flag.value.find('|') != std::string::npos) {
          std::string values = flag.value;
          std::replace(values.begin(), values.end(), '|', ' ');
          text += ":value:(" + values + ")";
        } else if (!flag.value.empty()) {
          text += ":" + flag.value + ":" + (is_file(flag.value) ? "_files" : " ");
        }
        text += "'";
      }
    }
    if (verb.name == "completion") text += " \\\n      ':shell:(bash zsh fish)'";
    if (takes_files(verb.name)) text += " \\\n      '*:file:_files'";
    text += " ;;\n";
  }
  return text + "  esac\n}\n_keelson \"$@\"\n";
}

std::string fish_completion(const std::vector<VerbText>& verbs) {
  std::string text = "# fish completion of keelson; made by `keelson completion fish`.\ncomplete -c keelson -f\n";
  for (const auto& [name, inner] : verb_tree(verbs)) {
    text += "complete -c keelson -n __fish_use_subcommand -a " + name + "\n";
    if (!inner.empty())
      text += "complete -c keelson -n '__fish_seen_subcommand_from " + name + "' -a '" + joined(inner) + "'\n";
  }
  for (const VerbText& verb : verbs) {
    const std::string second = second_word(verb.name);
    std::string when = "__fish_seen_subcommand_from " + first_word(verb.name);
    if (!second.empty()) when += "; and __fish_seen_subcommand_from " + second;
    for (const FlagText& flag : verb.flags) {
      text += "complete -c keelson -n '" + when + "'";
      for (const std::string& name : split(flag.names, ','))
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (flag.value.find('|') != std::string::npos) {
        std::string values = flag.value;
        std::replace(values.begin(), values.end(), '|', ' ');
        text += " -x -a '" + values + "'";
      } else if (!flag.value.empty()) {
        text += is_file(flag.value) ? " -r -F" : " -x";
      }
      text += " -d '" + plain(flag.description) + "'\n";
    }
    if (verb.name == "completion") text += "complete -c keelson -n '" + when + "' -a 'bash zsh fish'\n";
    if (takes_files(verb.name)) text += "complete -c keelson -n '" + when + "' -F\n";
  }
  return text;
}

// Text in roff: what begins a line or escapes is made harmless.
std::string roff(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
      out += std::string("\\&") + c;
    else
      out.push_back(c);
  }
  return out;
}

}  // namespace

std::string shell_completion(const std::string& shell) {
  const std::vector<VerbText> verbs = verb_texts();
  if (shell == "bash") return bash_completion(verbs);
  if (shell == "zsh") return zsh_completion(verbs);
  if (shell == "fish") return fish_completion(verbs);
  return {};
}

std::string man_page() {
  std::string text = ".TH KEELSON 1 \"\" \"keelson " + std::string(kVersion) +
                     "\" \"Keelson\"\n"
                     ".SH NAME\nkeelson \\- keys and values for Redis clients, in one program\n.SH SYNOPSIS\n";
  const std::vector<VerbText> verbs = verb_texts();
  for (const VerbText& verb : verbs) {
    text += ".B keelson " + roff(verb.name) + "\n" + (verb.flags.empty() ? "" : "[\\fIoptions\\fR]") +
            roff(verb.usage) + "\n.br\n";
  }
  text +=
      ".SH DESCRIPTION\nKeelson serves keys and values to the clients of Redis 7 (RESP2 and RESP3, with TLS). One log "
      "makes every change "
      "durable; checkpoints keep restarts quick. It listens on loopback until a password is set.\n.PP\n"
      "Every setting has one dotted name: a key of the TOML file, a flag of \\fBkeelson serve\\fR, and a variable "
      "(KEELSON_KV_LISTEN for kv.listen). Flags win over variables, those over the file.\n.SH VERBS\n";
  for (const VerbText& verb : verbs) {
    text += ".SS keelson " + roff(verb.name) + roff(verb.usage) + "\n" + roff(verb.description) + "\n";
    if (verb.name == "config check") {
      text += "It takes the flags of \\fBkeelson serve\\fR.\n";
      continue;
    }
    for (const FlagText& flag : verb.flags) {
      std::string names;
      for (const std::string& name : split(flag.names, ',')) names += (names.empty() ? "" : ", ") + name;
      text += ".TP\n\\fB" + roff(names) + "\\fR" + (flag.value.empty() ? "" : " \\fI" + roff(flag.value) + "\\fR") +
              "\n" + roff(flag.description) + "\n";
    }
  }
  text +=
      ".SH SIGNALS\n.TP\nSIGTERM, SIGINT\nNo more connections are taken, clients get the answers they wait for, "
      "changed shards are "
      "written down, and the program ends with 0. A second one ends it at once; nothing is lost that was acknowledged "
      "under kv.durability = always.\n"
      ".TP\nSIGHUP\nCertificates and keys are read again.\n"
      ".SH EXIT STATUS\n0 when all went well; 1 when something failed; 2 when arguments or settings are wrong.\n"
      ".SH FILES\n.TP\n/etc/keelson/keelson.toml\nSettings of the packaged service.\n.TP\n/var/lib/keelson\nIts data "
      "folder.\n"
      ".SH ENVIRONMENT\n.TP\nKEELSON_CONFIG\nThe file for \\-\\-config.\n.TP\nKEELSON_PASSWORD\nThe password for "
      "keelson cli, keelson backup and keelson blob keys.\n"
      ".TP\nKEELSON_S3_ENDPOINT, KEELSON_S3_REGION\nThe service that keelson blob speaks to, and its region. Where "
      "they "
      "are not set, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION and AWS_DEFAULT_REGION count.\n"
      ".TP\nKEELSON_S3_ACCESS_KEY_ID, KEELSON_S3_SECRET_ACCESS_KEY, KEELSON_S3_SESSION_TOKEN\nIts keys. Where they are "
      "not set, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN count.\n"
      ".TP\nKEELSON_...\nA setting each.\n";
  return text;
}

}  // namespace keelson::server

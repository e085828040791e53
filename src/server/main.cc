// The command line of `keelson`: one verb for each thing it does. Here arguments are taken apart; the work is done
// elsewhere.
#include "server/command_line.h"

int main(int argc, char** argv) { return keelson::server::run_command_line(argc, argv); }

#include "lib/base/secret.h"
#include "orchestrator/cmd/cmd.h"

#include <signal.h>

int main(int argc, char **argv)
{
    secret_harden_process();
    signal(SIGPIPE, SIG_IGN);
    return cli_main(argc, argv);
}

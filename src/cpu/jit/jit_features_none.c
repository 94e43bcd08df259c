/* A host that nothing is translated for. */
#include "cpu/jit/jit_features.h"

unsigned jit_features_host(void)
{
    return 0;
}

unsigned jit_features_parse(const char *names)
{
    (void)names;
    return 0;
}

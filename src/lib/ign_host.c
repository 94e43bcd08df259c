/* The public C API's part on the host: which engines there are, and which of them work. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hv/hv.h"
#include "ignition.h"

int ign_host_engine(unsigned index, struct ign_host_engine *ret_engine)
{
    const struct hv_ops *automatic;
    struct hv_probe probe;

    if (!hv_probe(index, &probe))
        return -ENOENT;
    *ret_engine = (struct ign_host_engine){ .built_in = probe.built_in, .works = probe.works };
    snprintf(ret_engine->name, sizeof(ret_engine->name), "%s", probe.name);
    if (!probe.works)
        snprintf(ret_engine->reason, sizeof(ret_engine->reason), "%s", probe.why.msg);
    ret_engine->automatic =
        hv_find("auto", &automatic, NULL) == 0 && !strcmp(automatic->name, probe.name);
    return 0;
}

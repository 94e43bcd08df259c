/* In place of the translator, on hosts that there is none for: everything is interpreted. */
#include <errno.h>

#include "cpu/jit/jit.h"

int jit_create(struct soc *soc, const struct jit_config *config, struct jit **ret_jit,
               struct err *err)
{
    (void)soc;
    (void)config;
    (void)ret_jit;
    return err_set(err, ENOTSUP,
                   "there is a translator for x86-64 Linux hosts alone; use --jit off");
}

/* Without a struct jit the others have nothing to do, and most are never called. */
void jit_destroy(struct jit *jit)
{
    (void)jit;
}

bool jit_run(struct cpu *c)
{
    (void)c;
    return false;
}

void jit_kill(struct jit *jit, gpa_t gpa, uint64_t len)
{
    (void)jit;
    (void)gpa;
    (void)len;
}

void jit_kill_all(struct jit *jit)
{
    (void)jit;
}

void jit_forget_va(struct cpu *c, gva_t va)
{
    (void)c;
    (void)va;
}

void jit_forget_all(struct cpu *c)
{
    (void)c;
}

void jit_forget_contexts(struct cpu *c)
{
    (void)c;
}

void jit_get_stats(struct jit *jit, struct jit_stats *ret_stats)
{
    (void)jit;
    *ret_stats = (struct jit_stats){ 0 };
}

void jit_log_stats(struct jit *jit)
{
    (void)jit;
}

void jit_lockstep_note(struct cpu *c, uint8_t *host, struct tlb_entry *entry)
{
    (void)c;
    (void)host;
    (void)entry;
}

/* The CPU under test: a case on the interpreter. */
#pragma once

#include "../rig.h"
#include "cpu/a64.h"
#include "diff.h"

/* Put a batch's instructions where they run. */
void ours_load(struct rig *rig, const struct diff_batch *batch);

void ours_run(struct rig *rig, const struct diff_in *in, struct diff_out *out);

/* Where the other CPU is known to differ from the manual, or the manual leaves a choice: what it
 * says is replaced by what we say. op is the row of the case's
 * only instruction, or of one of several. */
void ours_excuse(enum a64_op op, uint32_t word, const struct diff_in *in,
                 const struct diff_out *ours, struct diff_out *theirs);

/* What the differential test prints about a case in which the CPUs differ. */
#pragma once

#include "cpu/a64.h"
#include "diff.h"

void report_case(enum a64_op op, uint32_t word, const struct diff_in *in,
                 const struct diff_out *ours, const struct diff_out *theirs);

/* Offsets in struct go (kernel.h), for start.S. */
#pragma once

#define GO_PC           0
#define GO_SP_EL0       16
#define GO_TCR          24
#define GO_ALIAS        32
#define GO_RETURN_ALIAS 40
#define GO_X            48
#define GO_VECTOR       112
#define GO_ESR          120
#define GO_ELR          128
#define GO_FAR          136
#define GO_SPSR_OUT     144
#define GO_SAVED        152
#define GO_SP           248
#define GO_DAIF         256
#define GO_TCR_SAVED    264
#define GO_TTBR0        272
#define GO_TTBR0_SAVED  280

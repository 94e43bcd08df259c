/*
 * Programs for a software CPU, made of a fuzzer's input: two bytes say how it begins (level, masks,
 * MMU, FPCR), then come instruction words; all bytes make registers, too.
 *
 * Every exception goes to a handler that makes a HVC and steps over the instruction, so a program
 * reaches its last word, an SVC, unless it changes the system beneath itself.
 */
#pragma once

#include "rig.h"

#define EXEC_HEADER    2
#define EXEC_WORDS_MAX 128
#define EXEC_LEN_MIN   (EXEC_HEADER + 4)

/* A page boundary in user memory; around it there is something to load. */
#define EXEC_WINDOW       (RIG_USER + 0x81000)
#define EXEC_WINDOW_BYTES 0x1000

/* A machine with a GIC; jit NULL: interpreted. */
void exec_program_init(struct rig *rig, const struct jit_config *jit);
void exec_program_fini(struct rig *rig);

/* Put the program there, and make the CPU ready to run it. len is EXEC_LEN_MIN or more. */
void exec_program_enter(struct rig *rig, const uint8_t *data, size_t len);

/* Where it lies, and of how many words it is, without the SVC. */
gva_t exec_program_code(const uint8_t *data);
size_t exec_program_words(size_t len);

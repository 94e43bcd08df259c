/* Reads A64 words (little-endian) and writes a byte for each: 1 where the decode table has a row
 * for the word, 0 where it is UNDEFINED. */
#include <stdio.h>

#include "cpu/a64.h"

int main(void)
{
    uint8_t bytes[4];

    while (fread(bytes, sizeof(bytes), 1, stdin) == 1) {
        struct a64_insn i;

        putchar(a64_decode(&i, load_le32(bytes), 0) != A64_OPS);
    }
    return 0;
}

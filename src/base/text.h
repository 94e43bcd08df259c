/* Text that may be anybody's: a path, what a file says of itself. */
#pragma once

/* c, or '?' for a control character, which is nothing for a terminal. */
static inline char text_printable(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
}

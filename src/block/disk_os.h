/* What a drive leaves to the operating system. */
#pragma once

/* Push written data through to stable storage. Returns 0 or -errno. */
int disk_os_flush(int fd);

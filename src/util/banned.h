/*
 * util/banned.h - functions that this project does not call (included into
 * every file by the build): each has a bounded or checked replacement.
 */
#ifndef COREHEAP_UTIL_BANNED_H
#define COREHEAP_UTIL_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets atoi atol atoll

#endif /* COREHEAP_UTIL_BANNED_H */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FOLLOW_H
#define FOLLOW_H

#include <sys/types.h>

/*
 * Run a command, and call @look whenever something may have been refused to a
 * process of it, which is stopped meanwhile. @argv ends with NULL.
 * Return: the status as of wait(), or a negative errno.
 */
int follow(char **argv, void (*look)(pid_t pid, void *data), void *data);

#endif

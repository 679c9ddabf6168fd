/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * @from as it can go to any terminal: what is not printable ASCII, and a
 * backslash, become \xNN. Return: @to
 */
char *text_escape(char *to, size_t size, const char *from);
/* The same of what is escaped already: backslashes stay. */
char *text_printable(char *to, size_t size, const char *from);
/* "1.5 GiB"; of at most 9 characters. Return: @to */
char *text_size(char *to, size_t size, uint64_t bytes);
/* The name of an errno, "ENOMEM". Return: @to */
char *text_errno(char *to, size_t size, int error);
/* The name of a command of struct iommufd_refusal. Return: @to */
char *text_command(char *to, size_t size, uint32_t command);

#endif

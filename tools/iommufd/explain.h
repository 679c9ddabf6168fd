/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stdio.h>

#include <json-c/json.h>

#include "fdinfo.h"

/* A text or a number of a JSON object */
void json_add_text(struct json_object *to, const char *key, const char *text);
void json_add_number(struct json_object *to, const char *key, uint64_t number);
void json_add_double(struct json_object *to, const char *key, double number);

/* How long ago that was, by CLOCK_MONOTONIC, in seconds */
double seconds_ago(uint64_t time);

/* One refusal, in plain words: what, why, and what can be done about it */
void explain(FILE *out, const struct iommu_file *file,
	     const struct iommu_refused *refused);
/* The same for programs. Return: NULL if there is no memory. */
struct json_object *explain_json(const struct iommu_file *file,
				 const struct iommu_refused *refused);

#endif

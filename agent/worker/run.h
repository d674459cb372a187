/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The run of one job: words from the mind in, one visit to one board, one outcome out. It decides
 * nothing; what to write, and whether, is the mind's business.
 */

/*
 * Serves one job on `socket` and says when to stop once `signals` (a signalfd) has something to
 * read. 0: the outcome was said. Negative errno: it could not be, because the mind is gone or broke
 * the rules of the wire before there was a job.
 */
int run_job(int socket, int signals);

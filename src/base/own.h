/* OWN: of a variable that each of our processes writes to soon after its fork, put before its type. They lie together, and so
** take a copy of one page; between the tables of other files they would take a copy of one page each, of every worker.
*/
#ifndef TINE_BASE_OWN_H
#define TINE_BASE_OWN_H

#define OWN __attribute__((section("tine_own")))

#endif

/* OWN: put before the type of a variable that each of Tine's processes writes to soon after its
** fork. These variables lie together, and so cost a copy of one page; spread among other files'
** data they would cost each worker a page each.
*/
#ifndef TINE_BASE_OWN_H
#define TINE_BASE_OWN_H

#define OWN __attribute__((section("tine_own")))

#endif

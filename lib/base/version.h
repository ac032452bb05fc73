/* version.h: of all programs: they are built, packaged and upgraded together. */
#ifndef LIB_BASE_VERSION_H
#define LIB_BASE_VERSION_H

#define POA_VERSION "0.1.0"

#endif

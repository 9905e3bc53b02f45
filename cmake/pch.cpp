// The one translation unit behind the compiler's precompiled header (cmake/pch.h).

# Stands in for a build of 3D Slicer, so that the extension's own CMake files run without it.
#
# It follows the rules that decide what ends up in the package: every listed file is copied into the build tree's
# folder of scripted modules, that folder is installed, a listed file that does not exist and an unknown keyword stop
# the configuration. Nothing is compiled. A macro or variable that is not here fails loudly.

set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/WriteDescription.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/NoPackage.cmake")

set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.12/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")

# The macros of Slicer and CTK that a scripted module's CMakeLists.txt calls.

function(ctkMacroCompilePythonScript)
  set(single TARGET_NAME SOURCE_DIR DESTINATION_DIR INSTALL_DIR)
  cmake_parse_arguments(ARG "NO_INSTALL_SUBDIR;GLOBAL_TARGET" "${single}" "SCRIPTS;RESOURCES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ctkMacroCompilePythonScript: unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  foreach(name TARGET_NAME SCRIPTS DESTINATION_DIR INSTALL_DIR)
    if(NOT DEFINED ARG_${name})
      message(FATAL_ERROR "ctkMacroCompilePythonScript: ${name} is mandatory")
    endif()
  endforeach()

  # Older CTK looks for resources in the current folder, whatever SOURCE_DIR says; so does this one.
  foreach(file IN LISTS ARG_SCRIPTS ARG_RESOURCES)
    configure_file("${file}" "${ARG_DESTINATION_DIR}/${file}" COPYONLY)
  endforeach()

  set(to_install "${ARG_DESTINATION_DIR}")
  if(ARG_NO_INSTALL_SUBDIR)
    string(APPEND to_install "/")
  endif()
  install(DIRECTORY "${to_install}" DESTINATION "${ARG_INSTALL_DIR}" COMPONENT RuntimeLibraries)
endfunction()

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(ARG "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS OR NOT DEFINED ARG_NAME)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: no NAME, or unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  ctkMacroCompilePythonScript(
    TARGET_NAME ${ARG_NAME}
    SCRIPTS "${ARG_SCRIPTS}"
    RESOURCES "${ARG_RESOURCES}"
    DESTINATION_DIR "${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR}"
    INSTALL_DIR "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}"
    NO_INSTALL_SUBDIR
    )
endfunction()

# A test of the application itself: there is none here, but the script has to exist.
function(slicer_add_python_unittest)
  cmake_parse_arguments(ARG "" "SCRIPT" "" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS OR NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SCRIPT}")
    message(FATAL_ERROR "slicer_add_python_unittest: no script '${ARG_SCRIPT}'")
  endif()
endfunction()

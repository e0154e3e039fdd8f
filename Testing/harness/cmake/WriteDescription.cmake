# Slicer writes the extension's description file here. A value that is a list, or missing, is refused: the catalog
# shows each as one text.
set(description "")
foreach(name HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if(NOT DEFINED EXTENSION_${name})
    message(FATAL_ERROR "EXTENSION_${name} is not set")
  endif()
  if("${EXTENSION_${name}}" MATCHES ";")
    message(FATAL_ERROR "EXTENSION_${name} is a list: ${EXTENSION_${name}}")
  endif()
  string(APPEND description "${name} ${EXTENSION_${name}}\n")
endforeach()
file(WRITE "${CMAKE_BINARY_DIR}/${PROJECT_NAME}.description" "${description}")

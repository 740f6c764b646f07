#include "methods/method.h"

#include "methods/common.h"

const lt_method *lt_method_get(const lt_config *cfg)
{
    return cfg->method.name == LT_METHOD_FRAME ? &lt_method_frame : &lt_method_adaflow;
}

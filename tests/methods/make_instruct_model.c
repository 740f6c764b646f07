/* make_instruct_model DIR: the model of instruct_model.h, for tests of the program. */
#include "instruct_model.h"

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    write_instruct_model(argv[1], "EulerAncestralDiscreteScheduler", "");
    return 0;
}

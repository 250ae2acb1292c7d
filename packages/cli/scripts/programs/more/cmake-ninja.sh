# SPDX-License-Identifier: BSD-3-Clause
rm -rf cm
mkdir cm
cd cm
printf 'cmake_minimum_required(VERSION 3.10)\nproject(x C)\nadd_executable(x x.c)\nenable_testing()\nadd_test(NAME t COMMAND x)\n' > CMakeLists.txt
echo 'int puts(const char*);int main(){puts("built");return 0;}' > x.c
cmake -G Ninja . > log 2>&1
tail -2 log | sed 's/[0-9.]*s//'
ninja 2>&1 | tail -1
./x
ctest 2>&1 | grep -c Passed

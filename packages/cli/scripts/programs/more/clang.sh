# SPDX-License-Identifier: BSD-3-Clause
cat > c.cc <<'G'
#include <iostream>
#include <vector>
#include <algorithm>
#include <stdexcept>
int main(){ std::vector<int> v; for(int i=0;i<1000;i++) v.push_back(i*7919%1009); std::sort(v.begin(),v.end()); std::cout<<v[500]<<"\n"; try { v.at(5000); } catch(std::out_of_range&e){ std::cout<<"oor\n"; } }
G
clang++ -O2 -o c c.cc && ./c && clang++ -fsanitize=undefined -o c2 c.cc 2>/dev/null && ./c2
clang -S -O2 -x c -o - - <<<'int f(int x){return x*10+3;}' | grep -c lea

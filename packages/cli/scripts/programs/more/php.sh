# SPDX-License-Identifier: BSD-3-Clause
php -r 'echo PHP_VERSION_ID>0,"\n"; $a=range(1,50000); shuffle($a); sort($a); echo md5(implode(",",$a)),"\n"; echo json_encode(["x"=>1.5,"y"=>[1,2]]),"\n"; echo preg_replace("/(\d+)/","<$1>","a12b3"),"\n"; var_dump(0.1+0.2); echo date("Y",0),"\n";'

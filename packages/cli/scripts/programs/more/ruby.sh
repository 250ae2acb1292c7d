# SPDX-License-Identifier: BSD-3-Clause
ruby -e 'require "json"; require "digest"; a=(1..20000).map{|i| i*i % 977}; puts a.sort.uniq.size; puts Digest::SHA256.hexdigest(a.join(",")); puts JSON.generate({a: a.first(5), t: Thread.new{ 42 }.value}); r,w=IO.pipe; pid=fork{ w.puts "child"; exit! 3}; w.close; puts r.read; Process.wait pid; p $?.exitstatus; GC.start; p [1,2,3].each_slice(2).to_a'

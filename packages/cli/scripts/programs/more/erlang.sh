# SPDX-License-Identifier: BSD-3-Clause
HOME=/tmp erl -noshell -eval 'L=lists:seq(1,50000), io:format("~p~n",[lists:sum([X*X rem 977||X<-L])]), Me=self(), Ps=[spawn(fun()->Me!{self(),N*N} end)||N<-lists:seq(1,200)], io:format("~p~n",[lists:sum([receive {P,V}->V end||P<-Ps])]), io:format("~p~n",[erlang:md5("abc")]), init:stop().'

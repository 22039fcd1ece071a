# Checks total.sh: feeds it invoices and compares what it prints.
failed=0
check() {
    printed=$(printf "$2" | sh total.sh)
    if [ "$printed" = "$3" ]; then
        echo "ok      $1"
    else
        echo "FAILED  $1: should print $3, printed $printed"
        failed=1
    fi
}
check empty_invoice '' 0.00
check one_of_one '1 250\n' 2.50
check three_of_one '3 250\n' 7.50
check whole_invoice '2 150\n1 999\n' 12.99
[ $failed = 0 ] && echo "all tests pass"
exit $failed

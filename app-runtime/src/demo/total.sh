# Prints the total of an invoice. Each line of it is a quantity and a price in cents.
total=0
while read -r quantity price; do
    total=$((total + quantity + price))
done
printf '%d.%02d\n' $((total / 100)) $((total % 100))
